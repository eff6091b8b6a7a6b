# The page to look at.


rule report:
    input:
        plan=RESULTS / "plan.json",
        ledger=RESULTS / "{round}dataset/pairs.ledger.json",  # names the shards' ledgers
        pairs=ancient(RESULTS / "{round}dataset/pairs.parquet"),
        calibrations=[*CALIBRATIONS, RESULTS / "{round}calibration/score.json"],
        survey=RESULTS / "report/perplexity.json",
        judge=judge_for_report,
        earlier=earlier_rounds_for_report,
        models=descriptions_of_round,
    output:
        page=RESULTS / "{round}report/index.html",
        speeds=RESULTS / "{round}report/speeds.yaml",
    log:
        RESULTS / "logs/{round}report.log",
    benchmark:
        RESULTS / "benchmarks/{round}report.tsv"
    group:
        in_one_job("dataset")
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_small_job,
        runtime=doubled(60),
    params:
        code=code_digest("report.py"),
        facts=facts_for_report,
        models=models_as_json,
        judge=judge_option,
        results=results_folder,
        round=number_of_round,
        speeds=SETTINGS.plan.speeds,
        trains_on=SETTINGS.trains_on(),
    message:
        "Draw the report of round {params.round}"
    shell:
        'python "$KUN_SCRIPTS/report.py" --plan {input.plan:q} --results {params.results:q} --round {params.round} --models {params.models:q}'
        " --calibrations {input.calibrations:q} --survey {input.survey:q} {params.judge:q} --facts {params.facts:q} --speeds {params.speeds:q}"
        " --trains-on {params.trains_on:q} --measured-speeds {output.speeds:q} --output {output.page:q} 2>&1 | tee {log:q}"
