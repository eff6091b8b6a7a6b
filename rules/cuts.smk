# Where perplexities and scores are cut. A cut is found once and then pinned: documents that come later are held against the same
# number, so adding or removing a shard moves nothing. `snakemake recalibrate` finds it anew. A cut of scores by precision comes from the
# labelled set alone (judge.smk). Perplexities are cut once, scores in every round.


rule calibrate:
    input:
        model=model_of_column,
        values=ancient(values_to_calibrate),
        plan=ancient(RESULTS / "plan.json"),
    output:
        RESULTS / "{round}calibration/{column}.json",
    log:
        RESULTS / "logs/{round}calibrate/{column}.log",
    benchmark:
        RESULTS / "benchmarks/{round}calibrate/{column}.tsv"
    group:
        in_one_job("duplicates")
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(30),
    params:
        code=code_digest("calibrate.py"),
        values=settings_of_column,  # others, other values: the cut is another
        cut=cut_as_json,
        reference=reference_option,
        results=folder_of_values,
    message:
        "Find where the {wildcards.round}{wildcards.column} is cut"
    shell:
        'python "$KUN_SCRIPTS/calibrate.py" --column {wildcards.column} --cut {params.cut:q} {params.reference:q}'
        " --plan {input.plan:q} --results {params.results:q} --output {output:q} 2>&1 | tee {log:q}"


# The same of all shards as they are now, in place of what is pinned. The next run applies it.
rule recalibrate_column:
    input:
        values=values_to_recalibrate,
        plan=RESULTS / "plan.json",
    output:
        touch(RESULTS / "{round}calibration/{column}.recalibrated"),
    log:
        RESULTS / "logs/{round}recalibrate/{column}.log",
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(30),
    params:
        cut=cut_as_json,
        reference=reference_option,
        results=folder_of_values,
        calibration=str(RESULTS / "{round}calibration/{column}.json"),
    message:
        "Find anew where the {wildcards.round}{wildcards.column} is cut"
    shell:
        'python "$KUN_SCRIPTS/calibrate.py" --again --column {wildcards.column} --cut {params.cut:q} {params.reference:q}'
        " --plan {input.plan:q} --results {params.results:q} --output {params.calibration:q} 2>&1 | tee {log:q}"


# `snakemake recalibrate` (perplexities), `snakemake recalibrate_score` (every round's); marks are removed, so it is done whenever it is asked for.
rule recalibrate:
    input:
        expand(RESULTS / "calibration/{column}.recalibrated", column=PERPLEXITIES),
    log:
        RESULTS / "logs/recalibrate.log",
    conda:
        "../envs/corpus.yaml"
    shell:
        "rm {input:q} 2> {log:q}"


use rule recalibrate as recalibrate_score with:
    input:
        of_every_round("calibration/score.recalibrated"),
    log:
        RESULTS / "logs/recalibrate_score.log",


# A text that percentiles are taken of goes the way of a source's shard, as far as it is measured.
rule read_reference:
    input:
        reference_files,
    output:
        documents=RESULTS / "documents" / REFERENCE / "{column}.parquet",
        dropped=RESULTS / "documents" / REFERENCE / "{column}.dropped.parquet",
        ledger=RESULTS / "documents" / REFERENCE / "{column}.ledger.json",
    log:
        RESULTS / "logs/read_reference/{column}.log",
    benchmark:
        RESULTS / "benchmarks/read_reference/{column}.tsv"
    group:
        in_one_job("front")
    conda:
        "../envs/corpus.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(60),
    params:
        code=code_digest("read_reference.py"),
        text=section("corpus", "text"),
    message:
        "Read the text that the percentiles of {wildcards.column} are taken of"
    shell:
        'python "$KUN_SCRIPTS/read_reference.py" --files {input:q} --text {params.text:q} --output {output.documents:q} 2>&1 | tee {log:q}'


# What was measured and where it is cut, to look at before any GPU is asked for.
rule survey_perplexity:
    input:
        plan=RESULTS / "plan.json",
        calibrations=CALIBRATIONS,
        signals=RESULTS / "duplicates/signals.json",  # changes where any shard's documents or perplexities do
    output:
        survey=RESULTS / "report/perplexity.json",
        page=RESULTS / "report/perplexity.html",
    log:
        RESULTS / "logs/survey_perplexity.log",
    benchmark:
        RESULTS / "benchmarks/survey_perplexity.tsv"
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(60),
    params:
        code=code_digest("survey_perplexity.py"),
        results=results_folder,
        name=SETTINGS.dataset.name,
    message:
        "Draw the perplexities and their cuts"
    shell:
        'python "$KUN_SCRIPTS/survey_perplexity.py" --plan {input.plan:q} --results {params.results:q} --calibrations {input.calibrations:q}'
        " --name {params.name:q} --survey {output.survey:q} --page {output.page:q} 2>&1 | tee {log:q}"
