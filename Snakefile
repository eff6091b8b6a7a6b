# Kun: raw Chinese shards to an instruction dataset. A table of contents; each chapter is a file in rules/.

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "rules/code.smk"
include: "rules/common.smk"
include: "rules/rounds.smk"
include: "rules/corpus.smk"
include: "rules/perplexity.smk"
include: "rules/cuts.smk"
include: "rules/models.smk"
include: "rules/judge.smk"
include: "rules/instructions.smk"
include: "rules/answers.smk"
include: "rules/dataset.smk"
include: "rules/report.smk"
include: "rules/evaluate.smk"
include: "rules/plan.smk"


localrules:
    all,
    corpus,
    evaluate,
    final,
    judge,
    know_duplicates,
    models,
    plan,
    recalibrate,
    recalibrate_score,
    write_plan,


# The chapters that cost no GPU and those that train are targets of their own: `snakemake corpus`, `snakemake models`. So is the measure
# of the judge, `snakemake judge`: to look at before the corpus is scored. `snakemake final` goes on after the dataset: it trains the final
# chat model of the last round.
rule all:
    default_target: True
    input:
        of_every_round("dataset/README.md"),
        of_every_round("report/index.html"),
        page_of_seed(),
        PINNED,
        of_every_round("calibration/score.json"),


rule corpus:
    input:
        primary_of_all_shards,
        PINNED,
        RESULTS / "report/perplexity.html",


rule models:
    input:
        descriptions_of_all_models,
        page_of_seed(),


rule judge:
    input:
        measures_of_judge,


rule final:
    input:
        final_model,


# Nothing else depends on it: what it finds is for people to look at, and selects no data.
rule evaluate:
    input:
        RESULTS / "evaluation/index.html",
