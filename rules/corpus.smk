# From raw bytes to primary data. Each stage depends on the ledger before it, which is small, so Snakemake compares its checksum: a
# rerun that changed nothing ends there. The data itself comes along as ancient().


rule write_plan:
    output:
        RESULTS / "plan.json",
    log:
        RESULTS / "logs/write_plan.log",
    params:
        shards=plan_as_json(PLAN),
    message:
        "Write the shard plan"
    run:
        Path(output[0]).write_text(params.shards, encoding="utf-8")


rule ingest:
    input:
        raw=raw_files,
        plan=ancient(RESULTS / "plan.json"),
    output:
        documents=of_shard("documents"),
        ledger=of_shard("documents", ".ledger.json"),
    log:
        of_shard("logs/ingest", ".log"),
    benchmark:
        of_shard("benchmarks/ingest", ".tsv")
    wildcard_constraints:
        source="|".join(SOURCES),
    group:
        in_one_job("front")
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(60),
    params:
        code=code_digest("ingest.py"),
        shard=shard_as_json,  # which files it reads; the program finds them in the plan
        fields=fields_as_json,
        text=section("corpus", "text"),
        largest=SETTINGS.corpus.max_record_megabytes,
        rejected=SETTINGS.corpus.max_rejected,
    message:
        "Read {wildcards.source}/{wildcards.shard}"
    shell:
        'python "$KUN_SCRIPTS/ingest.py" --plan {input.plan:q} --shard {wildcards.source}/{wildcards.shard} --fields {params.fields:q}'
        " --text {params.text:q} --max-record-megabytes {params.largest} --max-rejected {params.rejected}"
        " --output {output.documents:q} 2>&1 | tee {log:q}"


rule measure:
    input:
        ledger=of_shard("documents", ".ledger.json"),
        documents=ancient(of_shard("documents")),
        tokenizer=COUNTING,
        kenlm=[KENLM_MADE] if "kenlm" in MEASURED else [],
    output:
        signals=of_shard("signals"),
        ledger=of_shard("signals", ".ledger.json"),
    log:
        of_shard("logs/measure", ".log"),
    benchmark:
        of_shard("benchmarks/measure", ".tsv")
    group:
        in_one_job("front", KENLM_IS_GIVEN)
    conda:
        "../envs/kenlm.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(120),
    params:
        code=code_digest("measure.py"),
        trust=TRUST,
        kenlm=[f"--kenlm={KENLM_MADE}"] if "kenlm" in MEASURED else [],
    message:
        "Measure {wildcards.source}/{wildcards.shard}"
    shell:
        'python "$KUN_SCRIPTS/measure.py" --documents {input.documents:q} --tokenizer {input.tokenizer:q} {params.trust} {params.kenlm:q}'
        " --name {wildcards.source}/{wildcards.shard} --output {output.signals:q} 2>&1 | tee {log:q}"


# What looks at all shards asks for this one file, because Snakemake keeps a job's inputs with each of its outputs.
rule gather_signals:
    input:
        plan=RESULTS / "plan.json",
        ledgers=of_all_shards("signals", ".ledger.json"),
        causal_ledgers=causal_of_all_shards(".ledger.json"),
        # Owners are named by their locators, which may move while texts and signals stay.
        documents_ledgers=of_all_shards("documents", ".ledger.json"),
        signals=ancient(of_all_shards("signals")),
        causal=ancient(causal_of_all_shards()),
        documents=ancient(of_all_shards("documents")),
    output:
        RESULTS / "duplicates/signals.json",
    log:
        RESULTS / "logs/gather_signals.log",
    benchmark:
        RESULTS / "benchmarks/gather_signals.tsv"
    group:
        in_one_job("duplicates")
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(30),
    params:
        code=code_digest("gather_signals.py"),
        folders=STAGES_TO_SEARCH,
        results=results_folder,
    message:
        "Gather what is said of all shards together"
    shell:
        'python "$KUN_SCRIPTS/gather_signals.py" --plan {input.plan:q} --results {params.results:q} --folders {params.folders}'
        " --output {output:q} 2>&1 | tee {log:q}"


rule find_duplicates:
    input:
        plan=RESULTS / "plan.json",
        calibrations=CALIBRATIONS,
        signals=RESULTS / "duplicates/signals.json",
    output:
        # A folder: Snakemake would go through a list of thousands of files for each of them.
        copies=directory(RESULTS / COPIES),
        summary=RESULTS / "duplicates/summary.json",
        searched=SEARCHED,
    log:
        RESULTS / "logs/find_duplicates.log",
    benchmark:
        RESULTS / "benchmarks/find_duplicates.tsv"
    group:
        in_one_job("duplicates")
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_model_job,
        runtime=doubled(240),
    params:
        code=code_digest("find_duplicates.py"),
        settings=section("duplicates"),
        # Only documents that pass by themselves may own a text: a copy is not lost to one that is dropped anyhow.
        primary=section("primary", without=["mask_personal"]),
        results=results_folder,
    message:
        "Find duplicates among all shards"
    shell:
        'python "$KUN_SCRIPTS/find_duplicates.py" --plan {input.plan:q} --calibration {input.calibrations:q}'
        " --settings {params.settings:q} --primary {params.primary:q} --results {params.results:q} --copies {output.copies:q}"
        " --summary {output.summary:q} 2>&1 | tee {log:q}"
        " && echo searched > {output.searched:q}"


# The search looks at all shards and yet changes few. What follows is decided only when its result is known, so one changed line does
# not send every shard through the language models again. A checkpoint of its own, because Snakemake goes through all outputs of a
# checkpoint for each job that waits for it.
checkpoint know_duplicates:
    input:
        RESULTS / "duplicates/summary.json",
    output:
        KNOWN,
    log:
        RESULTS / "logs/know_duplicates.log",
    message:
        "Decide what follows from the duplicates"
    run:
        Path(output[0]).write_text(state_to_search() or "", encoding="utf-8")


rule select_primary:
    input:
        ledger=of_shard("signals", ".ledger.json"),
        # Equal texts have equal signals, but their locators, titles and categories may have changed.
        documents_ledger=of_shard("documents", ".ledger.json"),
        searched=SEARCHED,
        duplicates_digest=after_duplicates(COPIES, ".digest"),
        causal_ledger=causal_of_shard(".ledger.json"),
        calibrations=CALIBRATIONS,
        documents=ancient(of_shard("documents")),
        signals=ancient(of_shard("signals")),
        causal=ancient(causal_of_shard()),
        duplicates=ancient(after_duplicates(COPIES, ".parquet")),
        benchmarks=benchmarks_to_avoid(),
    output:
        primary=of_shard("primary"),
        ledger=of_shard("primary", ".ledger.json"),
    log:
        of_shard("logs/select_primary", ".log"),
    benchmark:
        of_shard("benchmarks/select_primary", ".tsv")
    group:
        in_one_job("label")
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(60),
    params:
        code=code_digest("select_primary.py"),
        settings=section("primary"),
        decontamination=section("decontamination"),
        simplify=["--simplify"] if SETTINGS.corpus.text.simplify else [],
        causal=[f"--causal={path}" for path in causal_of_shard()],
    message:
        "Select primary data of {wildcards.source}/{wildcards.shard}"
    shell:
        'python "$KUN_SCRIPTS/select_primary.py" --documents {input.documents:q} --signals {input.signals:q}'
        " --duplicates {input.duplicates:q} {params.causal:q} --calibration {input.calibrations:q} --source {wildcards.source}"
        " --settings {params.settings:q}"
        " --decontamination {params.decontamination:q} {params.simplify} --output {output.primary:q} 2>&1 | tee {log:q}"
