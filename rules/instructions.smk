# An instruction for each text, a verdict on each instruction, and the choice among them. What a model answered is kept in a journal
# per stage and shard under completions/, outside the rules' outputs: it survives reruns, and only what is missing is asked.


rule label:
    input:
        ledger=after_duplicates("primary"),
        records=ancient(of_shard("primary")),
        model=model_of("label"),
        prompt=ancient(SETTINGS.label.prompt),
    output:
        records=of_shard("labelled"),
        ledger=of_shard("labelled", ".ledger.json"),
    log:
        of_shard("logs/label", ".log"),
    benchmark:
        of_shard("benchmarks/label", ".tsv")
    group:
        in_one_job("label")
    conda:
        "../envs/llm.yaml"
    threads: SETTINGS.engine.threads
    resources:
        mem_mb=memory_of_model_job,
        runtime=minutes_of_model_job,
        gpu=SETTINGS.resources.gpus_completions,
    params:
        code=code_digest("label.py", SETTINGS.label.prompt),
        settings=section("label"),
        engine=engine_of("label"),
        trust=TRUST,
        store=store_of("label"),
    message:
        "Write instructions for {wildcards.source}/{wildcards.shard}"
    shell:
        'python "$KUN_SCRIPTS/label.py" --records {input.records:q} --model {input.model:q} --prompt {input.prompt:q}'
        " --settings {params.settings:q} --engine {params.engine:q} --gpus {resources.gpu} {params.trust} --store {params.store:q}"
        " --name 'label {wildcards.source}/{wildcards.shard}' --output {output.records:q} 2>&1 | tee {log:q}"


rule score:
    input:
        ledger=after_duplicates("labelled"),
        records=ancient(of_shard("labelled")),
        model=judge_of_round,
        prompt=ancient(SETTINGS.score.prompt),
    output:
        records=of_shard("{round}scored"),
        ledger=of_shard("{round}scored", ".ledger.json"),
    log:
        of_shard("logs/{round}score", ".log"),
    benchmark:
        of_shard("benchmarks/{round}score", ".tsv")
    group:
        in_one_job("label")
    conda:
        "../envs/llm.yaml"
    threads: SETTINGS.engine.threads
    resources:
        mem_mb=memory_of_model_job,
        runtime=minutes_of_model_job,
        gpu=SETTINGS.resources.gpus_completions,
    params:
        code=code_digest("score.py", SETTINGS.score.prompt),
        settings=judging(),
        engine=engine_of_judge,
        trust=TRUST,
        store=store_of("score"),
    message:
        "Score the instructions of {wildcards.round}{wildcards.source}/{wildcards.shard}"
    shell:
        'python "$KUN_SCRIPTS/score.py" --records {input.records:q} --model {input.model:q} --prompt {input.prompt:q}'
        " --settings {params.settings:q} --engine {params.engine:q} --gpus {resources.gpu} {params.trust} --store {params.store:q}"
        " --name 'score {wildcards.round}{wildcards.source}/{wildcards.shard}' --output {output.records:q} 2>&1 | tee {log:q}"


rule select_instructions:
    input:
        ledger=after_duplicates("{round}scored"),
        calibration=RESULTS / "{round}calibration/score.json",
        records=ancient(of_shard("{round}scored")),
    output:
        records=of_shard("{round}curated"),
        ledger=of_shard("{round}curated", ".ledger.json"),
    log:
        of_shard("logs/{round}select_instructions", ".log"),
    benchmark:
        of_shard("benchmarks/{round}select_instructions", ".tsv")
    group:
        in_one_job("answer")
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(60),
    params:
        code=code_digest("select_instructions.py"),
        settings=section("instructions"),
    message:
        "Select instructions of {wildcards.round}{wildcards.source}/{wildcards.shard}"
    shell:
        'python "$KUN_SCRIPTS/select_instructions.py" --records {input.records:q} --settings {params.settings:q}'
        " --calibration {input.calibration:q} --output {output.records:q} 2>&1 | tee {log:q}"
