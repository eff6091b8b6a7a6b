# Kun: raw Chinese shards to an instruction dataset. A table of contents; each chapter is a file in rules/.

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "rules/common.smk"
include: "rules/corpus.smk"
include: "rules/perplexity.smk"
include: "rules/cuts.smk"
include: "rules/models.smk"
include: "rules/instructions.smk"
include: "rules/answers.smk"
include: "rules/dataset.smk"
include: "rules/report.smk"


localrules:
    all,
    corpus,
    know_duplicates,
    models,
    recalibrate,
    recalibrate_score,
    write_plan,


# The chapters that cost no GPU and those that train are targets of their own: `snakemake corpus`, `snakemake models`.
rule all:
    default_target: True
    input:
        RESULTS / "dataset/README.md",
        RESULTS / "report/index.html",
        PINNED,
        RESULTS / "calibration/score.json",


rule corpus:
    input:
        primary_of_all_shards,
        PINNED,
        RESULTS / "report/perplexity.html",


rule models:
    input:
        descriptions_of_all_models,
