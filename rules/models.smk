# The language models: found where they are given, fine-tuned from seed pairs where they are not. A model's description (JSON: path,
# fingerprint, how it was trained) is what other rules depend on; it is small, so an equal model reruns nothing.


rule locate_model:
    input:
        files=files_of_given_model,
        template=ancient(chat_template_of_model),
    output:
        description=RESULTS / "models/given/{role}.json",
        tokenizer=RESULTS / "models/given/{role}.tokenizer.json",
    log:
        RESULTS / "logs/locate_model/{role}.log",
    benchmark:
        RESULTS / "benchmarks/locate_model/{role}.tsv"
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(240),
    params:
        code=code_of_located_model,
        name=given_model,
        template=chat_template_option,
        served=served_option,
    message:
        "Find the {wildcards.role} model"
    shell:
        'python "$KUN_SCRIPTS/locate_model.py" --name {params.name:q} {params.template:q} {params.served:q} --description {output.description:q}'
        " --tokenizer {output.tokenizer:q} 2>&1 | tee {log:q}"


rule prepare_seed:
    input:
        files=SETTINGS.seed.files,
        benchmarks=benchmarks_to_avoid(),
    output:
        pairs=RESULTS / "seed/pairs.parquet",
        dropped=RESULTS / "seed/pairs.dropped.parquet",
        ledger=RESULTS / "seed/pairs.ledger.json",
    log:
        RESULTS / "logs/prepare_seed.log",
    benchmark:
        RESULTS / "benchmarks/prepare_seed.tsv"
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(60),
    params:
        code=code_digest("prepare_seed.py"),
        settings=section("seed", without=["max_tokens"]),
        decontamination=section("decontamination"),
        largest=SETTINGS.corpus.max_record_megabytes,
    message:
        "Check and split the seed pairs"
    shell:
        'python "$KUN_SCRIPTS/prepare_seed.py" --settings {params.settings:q} --decontamination {params.decontamination:q}'
        " --max-record-megabytes {params.largest} --output {output.pairs:q} 2>&1 | tee {log:q}"


rule survey_seed:
    input:
        ledger=RESULTS / "seed/pairs.ledger.json",
        pairs=ancient(RESULTS / "seed/pairs.parquet"),
        # Its content may change while the counts, and so the ledger, stay as they are.
        dropped=RESULTS / "seed/pairs.dropped.parquet",
    output:
        survey=RESULTS / "report/seed.json",
        page=RESULTS / "report/seed.html",
    log:
        RESULTS / "logs/survey_seed.log",
    benchmark:
        RESULTS / "benchmarks/survey_seed.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(30),
    params:
        code=code_digest("survey_seed.py"),
        files=SETTINGS.seed.files,
        samples=SETTINGS.report.samples,
        name=SETTINGS.dataset.name,
    message:
        "Survey the seed pairs"
    shell:
        'python "$KUN_SCRIPTS/survey_seed.py" --pairs {input.pairs:q} --files {params.files:q} --samples {params.samples}'
        " --name {params.name:q} --survey {output.survey:q} --page {output.page:q} 2>&1 | tee {log:q}"


# Asked on a node without a GPU, so that a training that cannot be is refused before it waits in a queue.
rule estimate_training:
    input:
        base=RESULTS / "models/given/base.json",
        ledger=RESULTS / "seed/pairs.ledger.json",
        seed=ancient(RESULTS / "seed/pairs.parquet"),
        prompt=ancient(prompts_of_training),
    output:
        RESULTS / "models/{role}/memory.json",
    log:
        RESULTS / "logs/estimate_training/{role}.log",
    benchmark:
        RESULTS / "benchmarks/estimate_training/{role}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(60),
    params:
        code=code_of_training,
        task=task_of_training,
        settings=settings_of_role,
        max_tokens=SETTINGS.seed.max_tokens,
        trust=TRUST,
        gpus=GPUS_TRAINING,
        gigabytes=SETTINGS.resources.gpu_gigabytes,
    message:
        "Reckon what the training of the {wildcards.role} model needs of a GPU"
    shell:
        'python "$KUN_SCRIPTS/train_model.py" --role {wildcards.role} {params.task:q} --base {input.base:q} --seed {input.seed:q}'
        " --settings {params.settings:q} --max-tokens {params.max_tokens} {params.trust} --gpus {params.gpus}"
        " --gpu-gigabytes {params.gigabytes} --estimate {output:q} 2>&1 | tee {log:q}"


# Where a training was ended, its checkpoints lie beside the weights, and the next one goes on from there. How many processes there are
# and how often they keep what they have is no part of what is made: it comes by KUN_LAUNCH, and changing it trains nothing anew.
rule train_label_model:
    input:
        base=RESULTS / "models/given/base.json",
        ledger=RESULTS / "seed/pairs.ledger.json",
        estimate=estimate_of("label"),
        seed=ancient(RESULTS / "seed/pairs.parquet"),
        prompt=ancient(SETTINGS.label.prompt),
    output:
        weights=directory(RESULTS / "models/label/weights"),
        curve=RESULTS / "models/label/training.jsonl",
        description=RESULTS / "models/label/model.json",
    log:
        RESULTS / "logs/train_label_model.log",
    benchmark:
        RESULTS / "benchmarks/train_label_model.tsv"
    conda:
        "../envs/train.yaml"
    threads: SETTINGS.training.threads
    resources:
        **resources_of_training(),
        mem_mb=memory_of_model_job,
        runtime=minutes_of_model_job,
    params:
        code=code_digest("train_model.py", SETTINGS.label.prompt),
        task=["label", *options_of_training("label")],
        settings=settings_of_training("label"),
        max_tokens=SETTINGS.seed.max_tokens,
        trust=TRUST,
    message:
        "Train the label model on inverted seed pairs"
    shell:
        'python "$KUN_SCRIPTS/launch_training.py" $KUN_LAUNCH --role {params.task:q} --base {input.base:q} --seed {input.seed:q}'
        " --settings {params.settings:q} --max-tokens {params.max_tokens} {params.trust}"
        " --weights {output.weights:q} --curve {output.curve:q} --description {output.description:q} 2>&1 | tee {log:q}"


use rule train_label_model as train_chat_model with:
    input:
        base=RESULTS / "models/given/base.json",
        ledger=RESULTS / "seed/pairs.ledger.json",
        estimate=estimate_of("chat"),
        seed=ancient(RESULTS / "seed/pairs.parquet"),
        prompt=ancient(polish_prompt_of_training()),
    output:
        weights=directory(RESULTS / "models/chat/weights"),
        curve=RESULTS / "models/chat/training.jsonl",
        description=RESULTS / "models/chat/model.json",
    log:
        RESULTS / "logs/train_chat_model.log",
    benchmark:
        RESULTS / "benchmarks/train_chat_model.tsv"
    params:
        code=code_digest("train_model.py", *polish_prompt_of_training()),
        task=["chat", *options_of_training("chat")],
        settings=settings_of_training("chat"),
        max_tokens=SETTINGS.seed.max_tokens,
        trust=TRUST,
    message:
        "Train the primary chat model on seed pairs"


# Of the base again, not of the chat model: what it knows of instructions is what this round's pairs and the seed pairs teach.
use rule train_label_model as train_final_model with:
    input:
        base=RESULTS / "models/given/base.json",
        ledger=RESULTS / "seed/pairs.ledger.json",
        generated_ledger=RESULTS / "{round}dataset/pairs.ledger.json",
        seed=ancient(RESULTS / "seed/pairs.parquet"),
        generated=ancient(RESULTS / "{round}dataset/pairs.parquet"),
    output:
        weights=directory(RESULTS / "{round}models/final/weights"),
        curve=RESULTS / "{round}models/final/training.jsonl",
        description=RESULTS / "{round}models/final/model.json",
    log:
        RESULTS / "logs/{round}train_final_model.log",
    benchmark:
        RESULTS / "benchmarks/{round}train_final_model.tsv"
    params:
        code=code_digest("train_model.py"),
        task=task_of_final_model,
        settings=settings_of_training("final"),
        max_tokens=SETTINGS.seed.max_tokens,
        trust=TRUST,
    message:
        "Train the final chat model on seed pairs and the pairs of {wildcards.round}dataset"
