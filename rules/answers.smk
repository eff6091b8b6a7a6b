# From text and instruction to an answer that fits, and the check of what was written.


rule polish:
    input:
        ledger=after_duplicates("{round}curated"),
        records=ancient(of_shard("{round}curated")),
        model=model_of("answer"),
        prompt=ancient(SETTINGS.polish.prompt),
    output:
        records=of_shard("{round}polished"),
        ledger=of_shard("{round}polished", ".ledger.json"),
    log:
        of_shard("logs/{round}polish", ".log"),
    benchmark:
        of_shard("benchmarks/{round}polish", ".tsv")
    group:
        in_one_job("answer")
    conda:
        "../envs/llm.yaml"
    threads: SETTINGS.engine.threads
    resources:
        mem_mb=memory_of_model_job,
        runtime=minutes_of_model_job,
        gpu=SETTINGS.resources.gpus_completions,
    params:
        code=code_digest("polish.py", SETTINGS.polish.prompt),
        settings=section("polish"),
        engine=engine_of("answer"),
        trust=TRUST,
        store=store_of("polish"),
    message:
        "Polish the answers of {wildcards.round}{wildcards.source}/{wildcards.shard}"
    shell:
        'python "$KUN_SCRIPTS/polish.py" --records {input.records:q} --model {input.model:q} --prompt {input.prompt:q}'
        " --settings {params.settings:q} --engine {params.engine:q} --gpus {resources.gpu} {params.trust} --store {params.store:q}"
        " --name 'polish {wildcards.round}{wildcards.source}/{wildcards.shard}' --output {output.records:q} 2>&1 | tee {log:q}"


rule check_answers:
    input:
        ledger=after_duplicates("{round}polished"),
        records=ancient(of_shard("{round}polished")),
    output:
        records=of_shard("{round}pairs"),
        ledger=of_shard("{round}pairs", ".ledger.json"),
    log:
        of_shard("logs/{round}check_answers", ".log"),
    benchmark:
        of_shard("benchmarks/{round}check_answers", ".tsv")
    group:
        in_one_job("answer")
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(60),
    params:
        code=code_digest("check_answers.py"),
        settings=section("answers"),
    message:
        "Check the answers of {wildcards.round}{wildcards.source}/{wildcards.shard}"
    shell:
        'python "$KUN_SCRIPTS/check_answers.py" --records {input.records:q} --settings {params.settings:q}'
        " --output {output.records:q} 2>&1 | tee {log:q}"
