# The page to look at.


rule report:
    input:
        plan=RESULTS / "plan.json",
        ledger=RESULTS / "dataset/pairs.ledger.json",
        ledgers=of_all_shards("pairs", ".ledger.json"),
        pairs=ancient(RESULTS / "dataset/pairs.parquet"),
        calibrations=[*CALIBRATIONS, RESULTS / "calibration/score.json"],
        survey=RESULTS / "report/perplexity.json",
        judge=judge_for_report(),
        models=descriptions_of_all_models,
    output:
        page=RESULTS / "report/index.html",
        speeds=RESULTS / "report/speeds.yaml",
    log:
        RESULTS / "logs/report.log",
    benchmark:
        RESULTS / "benchmarks/report.tsv"
    conda:
        "../envs/kun.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=60,
    params:
        code=code_digest("report.py"),
        facts=facts_for_report(),
        models=json.dumps(models_of_roles()),
        judge=["--judge", *map(str, judge_for_report())] if LABELLED else [],
        results=results_folder,
        speeds=SETTINGS.plan.speeds,
        trains_on=SETTINGS.trains_on(),
    message:
        "Draw the report"
    shell:
        'python "$KUN_SCRIPTS/report.py" --plan {input.plan:q} --results {params.results:q} --models {params.models:q}'
        " --calibrations {input.calibrations:q} --survey {input.survey:q} {params.judge:q} --facts {params.facts:q} --speeds {params.speeds:q}"
        " --trains-on {params.trains_on:q} --measured-speeds {output.speeds:q} --output {output.page:q} 2>&1 | tee {log:q}"
