# From raw bytes to primary data. Each stage depends on the ledger before it, which is small, so Snakemake compares its checksum: a
# rerun that changed nothing ends there. The data itself comes along as ancient().


def raw_file(wildcards):
    return SHARDS[f"{wildcards.source}/{wildcards.shard}"].path


def shard_as_json(wildcards):
    from dataclasses import asdict

    return json.dumps(asdict(SHARDS[f"{wildcards.source}/{wildcards.shard}"]), ensure_ascii=False)


def fields_as_json(wildcards):
    source = SOURCES[wildcards.source]
    return json.dumps({"text": source.text, "title": source.title} if source.format == "jsonl" else None)


rule write_plan:
    output:
        RESULTS / "plan.json",
    params:
        shards=list(SHARDS),
    message:
        "Write the shard plan"
    run:
        Path(output[0]).write_text(json.dumps(params.shards, indent=0, ensure_ascii=False) + "\n", encoding="utf-8")


rule ingest:
    input:
        raw_file,
    output:
        documents=of_shard("documents"),
        dropped=of_shard("documents", ".dropped.parquet"),
        ledger=of_shard("documents", ".ledger.json"),
    params:
        code=code_digest("ingest.py"),
        shard=shard_as_json,
        fields=fields_as_json,
    log:
        of_shard("logs/ingest", ".log"),
    benchmark:
        of_shard("benchmarks/ingest", ".tsv")
    conda:
        "../envs/kun.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=60,
    message:
        "Read {wildcards.source}/{wildcards.shard}"
    shell:
        "python {SCRIPTS}/ingest.py --shard {params.shard:q} --fields {params.fields:q} --output {output.documents:q}"
        " 2>&1 | tee {log:q}"


rule measure:
    input:
        ledger=of_shard("documents", ".ledger.json"),
        documents=ancient(of_shard("documents")),
        tokenizer=RESULTS / f"models/given/{'label' if 'label' in GIVEN else 'base'}.tokenizer.json",
        kenlm=RESULTS / "models/kenlm/model.json",
    output:
        signals=of_shard("signals"),
        dropped=of_shard("signals", ".dropped.parquet"),
        ledger=of_shard("signals", ".ledger.json"),
    params:
        code=code_digest("measure.py"),
    log:
        of_shard("logs/measure", ".log"),
    benchmark:
        of_shard("benchmarks/measure", ".tsv")
    conda:
        "../envs/kun.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=120,
    message:
        "Measure {wildcards.source}/{wildcards.shard}"
    shell:
        "python {SCRIPTS}/measure.py --documents {input.documents:q} --tokenizer {input.tokenizer:q} --kenlm {input.kenlm:q}"
        " --name {wildcards.source}/{wildcards.shard} --output {output.signals:q} 2>&1 | tee {log:q}"


# A checkpoint, because it looks at all shards and yet changes few: what follows is decided only when its result is known, so one
# changed line does not send every shard through the language models again.
checkpoint find_duplicates:
    input:
        plan=RESULTS / "plan.json",
        ledgers=of_all_shards("signals", ".ledger.json"),
        signals=ancient(of_all_shards("signals")),
        documents=ancient(of_all_shards("documents")),
    output:
        duplicates=of_all_shards("duplicates"),
        digests=of_all_shards("duplicates", ".digest"),
    params:
        code=code_digest("find_duplicates.py"),
        results=str(RESULTS),
    log:
        RESULTS / "logs/find_duplicates.log",
    benchmark:
        RESULTS / "benchmarks/find_duplicates.tsv"
    conda:
        "../envs/kun.yaml"
    threads: 2
    resources:
        mem_mb=memory_of_model_job,
        runtime=240,
    message:
        "Find duplicates among all shards"
    shell:
        "python {SCRIPTS}/find_duplicates.py --plan {input.plan:q} --results {params.results:q} 2>&1 | tee {log:q}"


def duplicates_digest(wildcards):
    checkpoints.find_duplicates.get()
    return RESULTS / f"duplicates/{wildcards.source}/{wildcards.shard}.digest"


rule select_primary:
    input:
        ledger=of_shard("signals", ".ledger.json"),
        duplicates_digest=duplicates_digest,
        calibration=RESULTS / "calibration/perplexity.json",
        documents=ancient(of_shard("documents")),
        signals=ancient(of_shard("signals")),
        duplicates=ancient(of_shard("duplicates")),
    output:
        primary=of_shard("primary"),
        dropped=of_shard("primary", ".dropped.parquet"),
        ledger=of_shard("primary", ".ledger.json"),
    params:
        code=code_digest("select_primary.py"),
        settings=section("primary"),
    log:
        of_shard("logs/select_primary", ".log"),
    benchmark:
        of_shard("benchmarks/select_primary", ".tsv")
    conda:
        "../envs/kun.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=60,
    message:
        "Select primary data of {wildcards.source}/{wildcards.shard}"
    shell:
        "python {SCRIPTS}/select_primary.py --documents {input.documents:q} --signals {input.signals:q}"
        " --duplicates {input.duplicates:q} --calibration {input.calibration:q} --settings {params.settings:q}"
        " --output {output.primary:q} 2>&1 | tee {log:q}"
