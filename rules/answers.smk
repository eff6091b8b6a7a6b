# From text and instruction to an answer that fits, and the check of what was written.


rule polish:
    input:
        ledger=after_duplicates("curated"),
        records=ancient(of_shard("curated")),
        model=model_of("answer"),
        prompt=SETTINGS.polish.prompt,
    output:
        records=of_shard("polished"),
        dropped=of_shard("polished", ".dropped.parquet"),
        ledger=of_shard("polished", ".ledger.json"),
    log:
        of_shard("logs/polish", ".log"),
    benchmark:
        of_shard("benchmarks/polish", ".tsv")
    group:
        in_one_job("answer")
    conda:
        "../envs/kun.yaml"
    threads: SETTINGS.engine.threads
    resources:
        mem_mb=memory_of_model_job,
        runtime=minutes_of_model_job,
        gpu=SETTINGS.resources.gpus_completions,
    params:
        code=code_digest("polish.py"),
        settings=section("polish"),
        engine=engine_of("answer"),
        trust=TRUST,
        store=store_of("polish"),
    message:
        "Polish the answers of {wildcards.source}/{wildcards.shard}"
    shell:
        'python "$KUN_SCRIPTS/polish.py" --records {input.records:q} --model {input.model:q} --prompt {input.prompt:q}'
        " --settings {params.settings:q} --engine {params.engine:q} --gpus {resources.gpu} {params.trust} --store {params.store:q}"
        " --name 'polish {wildcards.source}/{wildcards.shard}' --output {output.records:q} 2>&1 | tee {log:q}"


rule check_answers:
    input:
        ledger=after_duplicates("polished"),
        records=ancient(of_shard("polished")),
    output:
        records=of_shard("pairs"),
        dropped=of_shard("pairs", ".dropped.parquet"),
        ledger=of_shard("pairs", ".ledger.json"),
    log:
        of_shard("logs/check_answers", ".log"),
    benchmark:
        of_shard("benchmarks/check_answers", ".tsv")
    group:
        in_one_job("answer")
    conda:
        "../envs/kun.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=minutes(60),
    params:
        code=code_digest("check_answers.py"),
        settings=section("answers"),
    message:
        "Check the answers of {wildcards.source}/{wildcards.shard}"
    shell:
        'python "$KUN_SCRIPTS/check_answers.py" --records {input.records:q} --settings {params.settings:q}'
        " --output {output.records:q} 2>&1 | tee {log:q}"
