# All pairs of a round as one documented dataset.


rule assemble:
    input:
        plan=RESULTS / "plan.json",
        ledgers=pairs_of_all_shards(".ledger.json"),
        pairs=ancient(pairs_of_all_shards()),
    output:
        pairs=RESULTS / "{round}dataset/pairs.parquet",
        dropped=RESULTS / "{round}dataset/pairs.dropped.parquet",
        ledger=RESULTS / "{round}dataset/pairs.ledger.json",
    log:
        RESULTS / "logs/{round}assemble.log",
    benchmark:
        RESULTS / "benchmarks/{round}assemble.tsv"
    group:
        in_one_job("dataset")
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_model_job,
        runtime=doubled(120),
    params:
        code=code_digest("assemble.py"),
        results=results_folder,
        round=number_of_round,
    message:
        "Assemble the dataset of round {params.round}"
    shell:
        'python "$KUN_SCRIPTS/assemble.py" --plan {input.plan:q} --results {params.results:q} --round {params.round} --output {output.pairs:q} 2>&1 | tee {log:q}'


rule export:
    input:
        plan=RESULTS / "plan.json",
        ledger=RESULTS / "{round}dataset/pairs.ledger.json",  # names the shards' ledgers
        pairs=ancient(RESULTS / "{round}dataset/pairs.parquet"),
        models=descriptions_of_round,
    output:
        alpaca=RESULTS / "{round}dataset/alpaca.json",
        messages=RESULTS / "{round}dataset/messages.jsonl",
        info=RESULTS / "{round}dataset/dataset_info.json",
        card=RESULTS / "{round}dataset/README.md",
    log:
        RESULTS / "logs/{round}export.log",
    benchmark:
        RESULTS / "benchmarks/{round}export.tsv"
    group:
        in_one_job("dataset")
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(120),
    params:
        code=code_digest("export.py"),
        facts=facts_for_card,
        models=models_as_json,
        results=results_folder,
        round=number_of_round,
    message:
        "Export the dataset of round {params.round} and write its card"
    shell:
        'python "$KUN_SCRIPTS/export.py" --pairs {input.pairs:q} --plan {input.plan:q} --results {params.results:q}'
        " --round {params.round} --models {params.models:q} --facts {params.facts:q} 2>&1 | tee {log:q}"
