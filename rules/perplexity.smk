# What perplexity is measured with. The n-gram model is made once and then pinned: documents that come later are measured with the same
# one. Removing models/kenlm under the results makes it again. A causal model reads documents through the completion engines.


rule build_kenlm:
    output:
        KENLM_PROGRAMS,
    log:
        RESULTS / "logs/build_kenlm.log",
    benchmark:
        RESULTS / "benchmarks/build_kenlm.tsv"
    localrule: True  # compute nodes often have no network, and what is built serves them all
    conda:
        "../envs/kenlm.yaml"
    threads: 1
    params:
        into=str(RESULTS / "tools"),
    message:
        "Find lmplz, or build it"
    shell:
        'python "$KUN_SCRIPTS/build_kenlm.py" --lock "$KUN_SCRIPTS/../envs/requirements.lock" --into {params.into:q} --description {output:q} 2>&1 | tee {log:q}'


rule train_kenlm:
    input:
        given=KENLM_GIVEN,
        reference=ancient(KENLM_FILES),
        documents=ancient(documents_for_reference),
        programs=[] if KENLM.model else ancient(KENLM_PROGRAMS),
        plan=ancient(RESULTS / "plan.json"),
    output:
        description=RESULTS / "models/kenlm/model.json",
    log:
        RESULTS / "logs/train_kenlm.log",
    benchmark:
        RESULTS / "benchmarks/train_kenlm.tsv"
    conda:
        "../envs/kenlm.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_model_job,
        runtime=doubled(240),
    params:
        code=code_digest("train_kenlm.py"),
        settings=section("perplexity", "kenlm", without=["cut"]),
        programs=[] if KENLM.model else ["--programs", str(KENLM_PROGRAMS)],
        into=str(RESULTS / "models/kenlm/made"),
        results=results_folder,
    message:
        "Make the n-gram model ready"
    shell:
        'python "$KUN_SCRIPTS/train_kenlm.py" --settings {params.settings:q} --plan {input.plan:q} --results {params.results:q}'
        " {params.programs:q} --into {params.into:q} --description {output.description:q} 2>&1 | tee {log:q}"


rule measure_causal:
    input:
        ledger=of_shard("documents", ".ledger.json"),
        documents=ancient(of_shard("documents")),
        model=RESULTS / "models/given/causal.json",
    output:
        perplexities=of_shard("causal"),
        ledger=of_shard("causal", ".ledger.json"),
    log:
        of_shard("logs/measure_causal", ".log"),
    benchmark:
        of_shard("benchmarks/measure_causal", ".tsv")
    group:
        in_one_job("front", not KENLM_IS_GIVEN)
    conda:
        "../envs/llm.yaml"
    threads: SETTINGS.engine.threads
    resources:
        mem_mb=memory_of_model_job,
        runtime=minutes_of_model_job,
        gpu=SETTINGS.resources.gpus_completions,
    params:
        code=code_digest("measure_causal.py"),
        settings=section("perplexity", "causal", without=("model", "cut")),
        engine=engine_of("causal"),
        trust=TRUST,
        store=store_of("causal"),
    message:
        "Read {wildcards.source}/{wildcards.shard} with the causal model"
    shell:
        'python "$KUN_SCRIPTS/measure_causal.py" --documents {input.documents:q} --model {input.model:q}'
        " --settings {params.settings:q} --engine {params.engine:q} --gpus {resources.gpu} {params.trust} --store {params.store:q}"
        " --name 'measure_causal {wildcards.source}/{wildcards.shard}' --output {output.perplexities:q} 2>&1 | tee {log:q}"
