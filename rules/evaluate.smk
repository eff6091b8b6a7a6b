# The chat models side by side: how likely they find the true outputs of held-out seed pairs, and how many multiple-choice questions they
# answer rightly (docs/evaluation.md). Asked for by `snakemake evaluate`; nothing is selected by it, so no other chapter reads its files.


rule read_questions:
    input:
        QUESTION_FILES,
    output:
        questions=RESULTS / "evaluation/questions.parquet",
        dropped=RESULTS / "evaluation/questions.dropped.parquet",
        ledger=RESULTS / "evaluation/questions.ledger.json",
    log:
        RESULTS / "logs/read_questions.log",
    benchmark:
        RESULTS / "benchmarks/read_questions.tsv"
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(30),
    params:
        code=code_digest("read_questions.py"),
    message:
        "Read multiple-choice questions"
    shell:
        'python "$KUN_SCRIPTS/read_questions.py" --files {input:q} --output {output.questions:q} 2>&1 | tee {log:q}'


use rule read_questions as read_shots with:
    input:
        SHOT_FILES,
    output:
        questions=RESULTS / "evaluation/shots.parquet",
        dropped=RESULTS / "evaluation/shots.dropped.parquet",
        ledger=RESULTS / "evaluation/shots.ledger.json",
    log:
        RESULTS / "logs/read_shots.log",
    benchmark:
        RESULTS / "benchmarks/read_shots.tsv"
    message:
        "Read solved questions"


rule answer_questions:
    input:
        ledger=RESULTS / "evaluation/questions.ledger.json",
        ledger_of_shots=RESULTS / "evaluation/shots.ledger.json",
        questions=ancient(RESULTS / "evaluation/questions.parquet"),
        shots=ancient(RESULTS / "evaluation/shots.parquet"),
        model=evaluated_model,
    output:
        answers=RESULTS / "evaluation/{evaluated}/answers.parquet",
        dropped=RESULTS / "evaluation/{evaluated}/answers.dropped.parquet",
        ledger=RESULTS / "evaluation/{evaluated}/answers.ledger.json",
        asked=RESULTS / "evaluation/{evaluated}/asked.json",
    log:
        RESULTS / "logs/answer_questions/{evaluated}.log",
    benchmark:
        RESULTS / "benchmarks/answer_questions/{evaluated}.tsv"
    conda:
        "../envs/llm.yaml"
    threads: SETTINGS.engine.threads
    resources:
        mem_mb=memory_of_model_job,
        runtime=minutes_of_model_job,
        gpu=SETTINGS.resources.gpus_completions,
    params:
        code=code_digest("answer_questions.py"),
        shots=SETTINGS.evaluation.shots,
        prompts=prompts_of_evaluated,
        engine=engine_of_evaluated,
        trust=TRUST,
        store=str(RESULTS / "completions/evaluation/{evaluated}"),
    message:
        "Ask the {wildcards.evaluated} model multiple-choice questions"
    shell:
        'python "$KUN_SCRIPTS/answer_questions.py" --questions {input.questions:q} --solved {input.shots:q} --shots {params.shots}'
        " --prompts {params.prompts} --model {input.model:q} --engine {params.engine:q} --gpus {resources.gpu} {params.trust}"
        " --store {params.store:q} --name 'answer_questions {wildcards.evaluated}' --asked {output.asked:q} --output {output.answers:q} 2>&1 | tee {log:q}"


rule measure_held_out:
    input:
        ledger=RESULTS / "seed/pairs.ledger.json",
        seed=ancient(RESULTS / "seed/pairs.parquet"),
        model=evaluated_model,
    output:
        losses=RESULTS / "evaluation/{evaluated}/held_out.parquet",
        dropped=RESULTS / "evaluation/{evaluated}/held_out.dropped.parquet",
        ledger=RESULTS / "evaluation/{evaluated}/held_out.ledger.json",
    log:
        RESULTS / "logs/measure_held_out/{evaluated}.log",
    benchmark:
        RESULTS / "benchmarks/measure_held_out/{evaluated}.tsv"
    conda:
        "../envs/llm.yaml"
    threads: SETTINGS.engine.threads
    resources:
        mem_mb=memory_of_model_job,
        runtime=minutes_of_model_job,
        gpu=SETTINGS.resources.gpus_completions,
    params:
        code=code_digest("measure_held_out.py"),
        max_tokens=SETTINGS.seed.max_tokens,
        engine=engine_of("answer"),
        batch=SETTINGS.training.micro_batch,
        trust=TRUST,
    message:
        "Measure the {wildcards.evaluated} model on the held-out pairs"
    shell:
        'python "$KUN_SCRIPTS/measure_held_out.py" --model {input.model:q} --seed {input.seed:q} --max-tokens {params.max_tokens}'
        " --engine {params.engine:q} --batch {params.batch} {params.trust} --output {output.losses:q} 2>&1 | tee {log:q}"


rule compare_models:
    input:
        **files_to_compare(),
    output:
        page=RESULTS / "evaluation/index.html",
        comparison=RESULTS / "evaluation/comparison.json",
    log:
        RESULTS / "logs/compare_models.log",
    benchmark:
        RESULTS / "benchmarks/compare_models.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(60),
    params:
        code=code_digest("compare_models.py"),
        held_out=named(HELD_OUT),
        answers=named(ANSWERED),
        questions=["--questions", str(RESULTS / "evaluation/questions.parquet")] if QUESTION_FILES else [],
        files=[str(path) for path in QUESTION_FILES],
        benchmarks=[str(path) for path in benchmarks_to_avoid()],
        name=SETTINGS.dataset.name,
        settings=section("evaluation"),
    message:
        "Compare the chat models"
    shell:
        'python "$KUN_SCRIPTS/compare_models.py" --held-out {params.held_out:q} --answers {params.answers:q} {params.questions:q}'
        " --files {params.files:q} --benchmarks {params.benchmarks:q} --settings {params.settings:q} --name {params.name:q}"
        " --comparison {output.comparison:q} --page {output.page:q} 2>&1 | tee {log:q}"
