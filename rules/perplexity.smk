# The n-gram model, and the perplexity at which to cut. Both are made once and then pinned: documents that come later are measured with
# the same model and held against the same number, so adding or removing a shard moves nothing. Removing the folder models/kenlm or the file
# calibration/perplexity.json under the results makes them again.

KENLM_FILES = [name for name in KENLM.reference if not name.startswith("source:")]
KENLM_GIVEN = [name for name in (KENLM.model, KENLM.sentencepiece) if name]
KENLM_KEPT = RESULTS / "models/kenlm/made" / name_of_model(KENLM) / "facts.json"


def documents_for_reference(wildcards):
    """Documents that the model is trained on: of the sources that are asked for, or of the shards it was made from if it is made already."""
    if not KENLM.pinned():
        return []
    sources = KENLM.sources_of_reference() or list(SOURCES)
    wanted = [shard for shard in SHARDS if shard.partition("/")[0] in sources]
    if KENLM_KEPT.is_file():
        # A shard that is gone is not asked for: the model is there and is taken again.
        recorded = json.loads(KENLM_KEPT.read_text(encoding="utf-8"))["shards"]
        wanted = [shard for shard in recorded if shard in SHARDS or (RESULTS / "documents" / f"{shard}.parquet").is_file()]
    return [RESULTS / "documents" / f"{shard}.parquet" for shard in wanted]


rule build_kenlm:
    input:
        lock=ancient(Path(workflow.basedir) / "envs/requirements.lock"),
    output:
        RESULTS / "models/kenlm/programs.json",
    log:
        RESULTS / "logs/build_kenlm.log",
    benchmark:
        RESULTS / "benchmarks/build_kenlm.tsv"
    localrule: True  # compute nodes often have no network, and what is built serves them all
    conda:
        "../envs/kun.yaml"
    threads: 1
    params:
        into=str(RESULTS / "tools"),
    message:
        "Find lmplz, or build it"
    shell:
        'python "$KUN_SCRIPTS/build_kenlm.py" --lock {input.lock:q} --into {params.into:q} --description {output:q} 2>&1 | tee {log:q}'


rule train_kenlm:
    input:
        given=KENLM_GIVEN,
        reference=ancient(KENLM_FILES),
        documents=ancient(documents_for_reference),
        programs=[] if KENLM.model else ancient(RESULTS / "models/kenlm/programs.json"),
        plan=ancient(RESULTS / "plan.json"),
    output:
        description=RESULTS / "models/kenlm/model.json",
    log:
        RESULTS / "logs/train_kenlm.log",
    benchmark:
        RESULTS / "benchmarks/train_kenlm.tsv"
    conda:
        "../envs/kun.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_model_job,
        runtime=240,
    params:
        code=code_digest("train_kenlm.py"),
        settings=section("perplexity", "kenlm", without=["cut"]),
        programs=lambda wildcards, input: ["--programs", input.programs] if input.programs else [],
        into=str(RESULTS / "models/kenlm/made"),
        results=results_folder,
    message:
        "Make the n-gram model ready"
    shell:
        'python "$KUN_SCRIPTS/train_kenlm.py" --settings {params.settings:q} --plan {input.plan:q} --results {params.results:q}'
        " {params.programs:q} --into {params.into:q} --description {output.description:q} 2>&1 | tee {log:q}"


rule calibrate_perplexity:
    input:
        kenlm=RESULTS / "models/kenlm/model.json",
        signals=ancient(signals_for_calibration),
        plan=ancient(RESULTS / "plan.json"),
    output:
        RESULTS / "calibration/perplexity.json",
    log:
        RESULTS / "logs/calibrate_perplexity.log",
    benchmark:
        RESULTS / "benchmarks/calibrate_perplexity.tsv"
    conda:
        "../envs/kun.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=30,
    params:
        code=code_digest("calibrate.py"),
        cut=json.dumps(SETTINGS.perplexity.maximum),
        percentile=json.dumps(SETTINGS.perplexity.percentile),
        results=results_folder,
    message:
        "Find the perplexity at which to cut"
    shell:
        'python "$KUN_SCRIPTS/calibrate.py" --folder signals --column perplexity --cut {params.cut} --percentile {params.percentile}'
        " --plan {input.plan:q} --results {params.results:q} --output {output:q} 2>&1 | tee {log:q}"
