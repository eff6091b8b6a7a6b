# Rounds of curation (docs/rounds.md). In each, the same labelled texts are scored, chosen among and answered; from the second on, the judge
# is the final model of the round before. What each round makes has {round} before its folder: "" in the first, whose files stand in the
# results' folder itself, and rounds/2/ in the second. Only functions stand here.

from kun.books.rounds import folder_of_round, round_of_folder

ROUNDS = [folder_of_round(number) for number in range(1, SETTINGS.iterations + 1)]


wildcard_constraints:
    round="|" + "|".join(ROUNDS[1:]),


def of_every_round(name):
    """A file of each round."""
    return [RESULTS / f"{folder}{name}" for folder in ROUNDS]


def pairs_of_all_shards(ending=".parquet"):
    """What asks for a round's checked pairs of all shards, in plan order."""
    return lambda wildcards: of_all_shards(f"{wildcards.round}pairs", ending)


def number_of_round(wildcards):
    return round_of_folder(wildcards.round)


def earlier_rounds(wildcards):
    return ROUNDS[: number_of_round(wildcards) - 1]


# Who judges


def model_in_round(role, folder):
    """The description of the model that plays a role (label | point | answer) in a round."""
    if role == "point" and folder:
        before = folder_of_round(round_of_folder(folder) - 1)
        return RESULTS / f"{before}models/final/model.json"
    return model_of(role)


def judge_of_round(wildcards):
    return model_in_round("point", wildcards.round)


def engine_of_judge(wildcards):
    return engine_of("final" if wildcards.round else "point")


def models_of_round(wildcards):
    return {role: str(model_in_round(role, wildcards.round)) for role in ("label", "point", "answer")}


def models_as_json(wildcards):
    return json.dumps(models_of_round(wildcards))


def descriptions_of_round(wildcards):
    return sorted(set(models_of_round(wildcards).values()))


# How good the judge is, and what a report looks back on


def calibration_option(wildcards):
    return ["--calibration", str(RESULTS / f"{wildcards.round}calibration/score.json")]


def measures_in_round(folder):
    """The judge's figures, and those at its cut."""
    return [RESULTS / f"{folder}judge/{name}.json" for name in ("judge", "at_cut")] if LABELLED else []


def judge_for_report(wildcards):
    return measures_in_round(wildcards.round)


def judge_option(wildcards):
    return ["--judge", *map(str, judge_for_report(wildcards))] if LABELLED else []


def earlier_rounds_for_report(wildcards):
    """What a later round is held beside, as small files say it."""
    return [
        file
        for folder in earlier_rounds(wildcards)
        for file in (
            RESULTS / f"{folder}dataset/pairs.ledger.json",
            RESULTS / f"{folder}calibration/score.json",
            *of_all_shards(f"{folder}scored", ".ledger.json"),
            *of_all_shards(f"{folder}curated", ".ledger.json"),
            *measures_in_round(folder),
        )
    ]


def facts_of_round(wildcards):
    """For card and report: which round it is, and who judged in it."""
    number = number_of_round(wildcards)
    judge = (
        f"the final model of round {number - 1}"
        if number > 1
        else "the given model" if "point" in GIVEN else "the primary chat model"
    )
    return {"round": f"{number}; the instructions were scored by {judge}"}


def facts_for_card(wildcards):
    sources = {source.name: source.format for source in SETTINGS.corpus.sources}
    facts = facts_of_round(wildcards) | facts_for_people()
    card = {"name": SETTINGS.dataset.name, "licence": SETTINGS.dataset.licence, "sources": sources, "facts": facts}
    return json.dumps(card, ensure_ascii=False)


def facts_for_report(wildcards):
    facts = facts_of_round(wildcards) | facts_for_people()
    return json.dumps({"name": SETTINGS.dataset.name, "samples": SETTINGS.report.samples, "facts": facts}, ensure_ascii=False)


# The final chat model: of the base, by the seed pairs and a round's dataset


def final_model(wildcards):
    """That of the last round."""
    if not SETTINGS.models.base:
        raise WorkflowError("models.base: needed, because the final model is the base trained on seed and generated pairs")
    return RESULTS / f"{ROUNDS[-1]}models/final/model.json"


def task_of_final_model(wildcards):
    return ["final", "--generated", str(RESULTS / f"{wildcards.round}dataset/pairs.parquet")]
