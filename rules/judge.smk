# How good the point model is as a judge: it is asked about instructions that people judged, and its scores are held against what they said.
# Asking and measuring are two rules, so a moved cut asks nothing. Each round's judge is measured; what people said is read once.


rule read_labels:
    input:
        ancient(LABELLED),
    output:
        records=RESULTS / "judge/labelled.parquet",
        dropped=RESULTS / "judge/labelled.dropped.parquet",
        ledger=RESULTS / "judge/labelled.ledger.json",
    log:
        RESULTS / "logs/read_labels.log",
    benchmark:
        RESULTS / "benchmarks/read_labels.tsv"
    group:
        in_one_job("judge")
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(30),
    params:
        code=code_digest("read_labels.py", *LABELLED),
        target=SETTINGS.score.target,
    message:
        "Read what people said of instructions"
    shell:
        'python "$KUN_SCRIPTS/read_labels.py" --files {input:q} --target {params.target} --output {output.records:q} 2>&1 | tee {log:q}'


rule calibrate_judge:
    input:
        ledger=RESULTS / "judge/labelled.ledger.json",
        records=ancient(RESULTS / "judge/labelled.parquet"),
        model=judge_of_round,
        prompt=ancient(SETTINGS.score.prompt),
    output:
        scores=RESULTS / "{round}judge/scores.parquet",
        dropped=RESULTS / "{round}judge/scores.dropped.parquet",
        ledger=RESULTS / "{round}judge/scores.ledger.json",
    log:
        RESULTS / "logs/{round}calibrate_judge.log",
    benchmark:
        RESULTS / "benchmarks/{round}calibrate_judge.tsv"
    group:
        in_one_job("judge")
    conda:
        "../envs/llm.yaml"
    threads: SETTINGS.engine.threads
    resources:
        mem_mb=memory_of_model_job,
        runtime=minutes_of_model_job,
        gpu=SETTINGS.resources.gpus_completions,
    params:
        code=code_digest("calibrate_judge.py", SETTINGS.score.prompt),
        settings=judging(),
        engine=engine_of_judge,
        trust=TRUST,
        store=str(RESULTS / "completions/judge"),
    message:
        "Ask the judge about instructions that people judged"
    shell:
        'python "$KUN_SCRIPTS/calibrate_judge.py" --records {input.records:q} --model {input.model:q} --prompt {input.prompt:q}'
        " --settings {params.settings:q} --engine {params.engine:q} --gpus {resources.gpu} {params.trust} --store {params.store:q}"
        " --name calibrate_judge --output {output.scores:q} 2>&1 | tee {log:q}"


rule measure_judge:
    input:
        ledger=RESULTS / "{round}judge/scores.ledger.json",
        scores=ancient(RESULTS / "{round}judge/scores.parquet"),
    output:
        RESULTS / "{round}judge/judge.json",
    log:
        RESULTS / "logs/{round}measure_judge.log",
    benchmark:
        RESULTS / "benchmarks/{round}measure_judge.tsv"
    group:
        in_one_job("judge")
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(30),
    params:
        code=code_digest("measure_judge.py"),
        settings=judging(),
        cut=[],
    message:
        "Measure the judge"
    shell:
        'python "$KUN_SCRIPTS/measure_judge.py" --scores {input.scores:q} --settings {params.settings:q} {params.cut:q}'
        " --output {output:q} 2>&1 | tee {log:q}"


use rule measure_judge as measure_judge_at_cut with:
    input:
        ledger=RESULTS / "{round}judge/scores.ledger.json",
        calibration=RESULTS / "{round}calibration/score.json",
        scores=ancient(RESULTS / "{round}judge/scores.parquet"),
    output:
        RESULTS / "{round}judge/at_cut.json",
    log:
        RESULTS / "logs/{round}measure_judge_at_cut.log",
    benchmark:
        RESULTS / "benchmarks/{round}measure_judge_at_cut.tsv"
    group:
        in_one_job("judge", wanted=False)  # a cut by precision comes in between
    params:
        cut=calibration_option,
    message:
        "Measure the judge at its cut"
