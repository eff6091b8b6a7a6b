# All pairs as one documented dataset.


rule assemble:
    input:
        plan=RESULTS / "plan.json",
        ledgers=of_all_shards("pairs", ".ledger.json"),
        pairs=ancient(of_all_shards("pairs")),
    output:
        pairs=RESULTS / "dataset/pairs.parquet",
        dropped=RESULTS / "dataset/pairs.dropped.parquet",
        ledger=RESULTS / "dataset/pairs.ledger.json",
    log:
        RESULTS / "logs/assemble.log",
    benchmark:
        RESULTS / "benchmarks/assemble.tsv"
    group:
        in_one_job("dataset")
    conda:
        "../envs/kun.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_model_job,
        runtime=minutes(120),
    params:
        code=code_digest("assemble.py"),
        results=results_folder,
    message:
        "Assemble the dataset"
    shell:
        'python "$KUN_SCRIPTS/assemble.py" --plan {input.plan:q} --results {params.results:q} --output {output.pairs:q} 2>&1 | tee {log:q}'


rule export:
    input:
        plan=RESULTS / "plan.json",
        ledger=RESULTS / "dataset/pairs.ledger.json",
        ledgers=of_all_shards("pairs", ".ledger.json"),
        pairs=ancient(RESULTS / "dataset/pairs.parquet"),
        models=descriptions_of_all_models,
    output:
        alpaca=RESULTS / "dataset/alpaca.json",
        messages=RESULTS / "dataset/messages.jsonl",
        info=RESULTS / "dataset/dataset_info.json",
        card=RESULTS / "dataset/README.md",
    log:
        RESULTS / "logs/export.log",
    benchmark:
        RESULTS / "benchmarks/export.tsv"
    group:
        in_one_job("dataset")
    conda:
        "../envs/kun.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=minutes(120),
    params:
        code=code_digest("export.py"),
        facts=facts_for_card(),
        models=json.dumps(models_of_roles()),
        results=results_folder,
    message:
        "Export the dataset and write its card"
    shell:
        'python "$KUN_SCRIPTS/export.py" --pairs {input.pairs:q} --plan {input.plan:q} --results {params.results:q}'
        " --models {params.models:q} --facts {params.facts:q} 2>&1 | tee {log:q}"
