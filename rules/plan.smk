# What a run will take, before it is queued. `snakemake plan` reads a sample of each source and what is known already, and prints; it is done
# whenever it is asked for. `snakemake pilot` sends a few texts through the models first, so that the plan need not assume what they do.
# (The shard plan, results/plan.json, is another thing: which bytes are which job. It is written by write_plan.)


rule plan:
    input:
        tokenizer=COUNTING,
    log:
        RESULTS / "logs/plan.log",
    conda:
        "../envs/kenlm.yaml"
    threads: 1
    params:
        settings=SETTINGS.model_dump_json(),
        trust=TRUST,
    message:
        "Plan: read a sample of each source"
    shell:
        'python "$KUN_SCRIPTS/plan.py" --settings {params.settings:q} --tokenizer {input.tokenizer:q} {params.trust} 2> {log:q}'
        " || {{ cat {log:q} >&2; exit 1; }}"


rule draw_pilot:
    input:
        tokenizer=COUNTING,
        # Where the n-gram model is made of given text it is cheap to have, and the pilot's texts are then those that its cut lets pass.
        kenlm=[KENLM_MADE] if "kenlm" in MEASURED and not KENLM.pinned() else [],
    output:
        records=of_pilot("primary"),
        dropped=of_pilot("primary", ".dropped.parquet"),
        ledger=of_pilot("primary", ".ledger.json"),
    log:
        RESULTS / "logs/draw_pilot.log",
    benchmark:
        RESULTS / "benchmarks/draw_pilot.tsv"
    conda:
        "../envs/kenlm.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(60),
    params:
        code=code_digest("plan.py"),
        settings=SETTINGS.model_dump_json(),
        trust=TRUST,
    message:
        "Draw texts for a pilot"
    shell:
        'python "$KUN_SCRIPTS/plan.py" --settings {params.settings:q} --tokenizer {input.tokenizer:q} {params.trust}'
        " --pilot {output.records:q} 2>&1 | tee {log:q}"


# One job: the chain of a shard, by the programs of the chain. Its answers are kept in journals of its own.
rule pilot:
    input:
        records=of_pilot("primary"),
        label=model_of("label"),
        point=model_of("point"),
        answer=model_of("answer"),
        prompts=ancient(PROMPTS),
        labels=LABELS_OF_PILOT,
    output:
        labelled=of_pilot("labelled"),
        scored=of_pilot("scored"),
        cut=PILOT / "score.json",
        curated=of_pilot("curated"),
        polished=of_pilot("polished"),
        pairs=of_pilot("pairs"),
    log:
        RESULTS / "logs/pilot.log",
    benchmark:
        RESULTS / "benchmarks/pilot.tsv"
    conda:
        "../envs/llm.yaml"
    threads: SETTINGS.engine.threads
    resources:
        mem_mb=memory_of_model_job,
        runtime=minutes_of_model_job,
        gpu=SETTINGS.resources.gpus_completions,
    params:
        code=[
            *(code_digest(f"{name}.py") for name in ("label", "score", "select_instructions", "polish")),
            code_digest("check_answers.py", *PROMPTS),
        ],
        settings=[section("label"), judging(), section("instructions"), section("polish"), section("answers")],
        engines=[engine_of("label"), engine_of("point"), engine_of("answer")],
        trust=TRUST,
        cut=PILOT_CUT.model_dump_json(),
        labelled=[f"--labelled={RESULTS / 'judge/scores.parquet'}"] if LABELS_OF_PILOT else [],
        folder=pilot_folder,
        shards=plan_as_json([Shard("pilot", "pilot", "jsonl", "utf-8", ())]),
        store=[str(RESULTS / "completions" / stage / "_pilot/pilot") for stage in ("label", "score", "polish")],
    message:
        "Pilot: a few texts through the models"
    shell:
        "( printf %s {params.shards:q} > {params.folder:q}/plan.json"
        ' && python "$KUN_SCRIPTS/label.py" --records {input.records:q} --model {input.label:q} --prompt {input.prompts[0]:q}'
        " --settings {params.settings[0]:q} --engine {params.engines[0]:q} --gpus {resources.gpu} {params.trust} --store {params.store[0]:q}"
        " --name 'pilot: label' --output {output.labelled:q}"
        ' && python "$KUN_SCRIPTS/score.py" --records {output.labelled:q} --model {input.point:q} --prompt {input.prompts[1]:q}'
        " --settings {params.settings[1]:q} --engine {params.engines[1]:q} --gpus {resources.gpu} {params.trust} --store {params.store[1]:q}"
        " --name 'pilot: score' --output {output.scored:q}"
        ' && python "$KUN_SCRIPTS/calibrate.py" --again --column score --cut {params.cut:q} {params.labelled:q}'
        " --plan {params.folder:q}/plan.json --results {params.folder:q} --output {output.cut:q}"
        ' && python "$KUN_SCRIPTS/select_instructions.py" --records {output.scored:q} --settings {params.settings[2]:q}'
        " --calibration {output.cut:q} --output {output.curated:q}"
        ' && python "$KUN_SCRIPTS/polish.py" --records {output.curated:q} --model {input.answer:q} --prompt {input.prompts[2]:q}'
        " --settings {params.settings[3]:q} --engine {params.engines[2]:q} --gpus {resources.gpu} {params.trust} --store {params.store[2]:q}"
        " --name 'pilot: polish' --output {output.polished:q}"
        ' && python "$KUN_SCRIPTS/check_answers.py" --records {output.polished:q} --settings {params.settings[4]:q} --output {output.pairs:q}'
        " ) 2>&1 | tee {log:q}"
