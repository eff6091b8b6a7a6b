# What every chapter uses: the checked settings, the shard plan, where things are, and what a rule's params hold. No rule stands here.

import gc
import json
import os
from dataclasses import asdict
from pathlib import Path

# All of a graph of thousands of jobs is in use: to look for garbage in it again and again takes a fifth of the time that planning takes.
gc.set_threshold(1_000_000, 20, 50)

from snakemake.exceptions import WorkflowError

from kun.books.digests import code_digest, digest, digest_of_file, digest_of_states
from kun.completions.fingerprint import deciding_files
from kun.corpus.plan import NoPlan, Shard, plan_as_json, plan_shards
from kun.selection.columns import FOLDERS, sampled_shards
from kun.selection.questions import BadQuestions, question_files
from kun.settings.load import BadConfiguration, load
from kun.settings.models import SERVED
from kun.settings.roles import CUT_OF_SCORE
from kun.signals.kenlm_training import name_of_model

try:
    SETTINGS = load(config)
    PLAN = plan_shards(
        SETTINGS.corpus.sources, SETTINGS.corpus.range_megabytes * 1_000_000, SETTINGS.corpus.pack_megabytes * 1_000_000
    )
except (BadConfiguration, NoPlan) as fault:
    raise WorkflowError(str(fault)) from None

RESULTS = Path(SETTINGS.results)
SHARDS = {shard.id(): shard for shard in PLAN}
SOURCES = {source.name: source for source in SETTINGS.corpus.sources}
REFERENCE = "_reference"  # stands where a source stands in paths; no source's name begins so
KENLM = SETTINGS.perplexity.kenlm
GIVEN = [role for role in ("label", "point", "answer") if SETTINGS.models.given(role)]
PROMPTS = [SETTINGS.label.prompt, SETTINGS.score.prompt, SETTINGS.polish.prompt]
TRUST = ["--trust-remote-code"] if SETTINGS.models.trust_remote_code else []


wildcard_constraints:
    source="|".join([*SOURCES, REFERENCE]),
    shard="[^/]+",
    column="|".join(FOLDERS),
    evaluated=r"base|chat|final(-\d+)?",


# Files of shards. A stage's rule names its records and their ledger. What it put aside, `.dropped.parquet`, is written with them and is not
# named: nothing reads it, whoever needs the disk may delete it, and a third fewer files of each shard are looked at in every run.


def of_shard(folder, ending=".parquet"):
    """The pattern of a stage's file, one per shard."""
    return RESULTS / folder / f"{{source}}/{{shard}}{ending}"


def of_all_shards(folder, ending=".parquet"):
    """A stage's files for all shards, in plan order."""
    return [RESULTS / folder / f"{shard}{ending}" for shard in SHARDS]


def raw_files(wildcards):
    return [piece.path for piece in SHARDS[f"{wildcards.source}/{wildcards.shard}"].pieces]


COPIES = "duplicates/copies"
SEARCHED = RESULTS / "duplicates/searched"  # always the same: by itself it sends no shard anywhere
KNOWN = RESULTS / "duplicates/known"  # state_to_search() of the last search


def after_duplicates(folder, ending=".ledger.json"):
    """A shard's file of a stage, asked for only when the checkpoint has run.

    Every stage after it asks this way. Snakemake marks what follows a rerun job before that job has run and does not take the mark
    back; jobs that wait for a checkpoint are judged anew, so shards whose duplicates stayed as they were are left alone. It makes
    each of these jobs twice for that, so where the search is known to be done nothing waits. Were that wrong, the search would run, and all shards
    after it, because each asks for `searched` as well: too much is done then, and nothing is left out.
    """

    pattern = of_shard(folder, ending)
    if SEARCH_IS_DONE:
        return pattern

    def known_now(wildcards):
        checkpoints.know_duplicates.get()
        file = str(pattern).format(**wildcards)
        if folder == COPIES and not Path(file).is_file():
            raise WorkflowError(
                f"{file} is gone; remove {(RESULTS / COPIES).parent} and run `snakemake` again, which searches anew when a shard needs it"
            )
        return file

    return known_now


def primary_of_all_shards(wildcards):
    return of_all_shards("primary", ".ledger.json")


KENLM_MADE = RESULTS / "models/kenlm/model.json"
KENLM_FILES = [name for name in KENLM.reference if not name.startswith("source:")]
KENLM_GIVEN = [name for name in (KENLM.model, KENLM.sentencepiece) if name]
KENLM_PROGRAMS = RESULTS / "models/kenlm/programs.json"
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


# Perplexities: which are measured, and where each is cut

MEASURED = SETTINGS.perplexity.measures
CUTS = {
    **({"perplexity": SETTINGS.perplexity.kenlm.cut} if "kenlm" in MEASURED else {}),
    **({"causal_perplexity": SETTINGS.perplexity.causal.cut} if "causal" in MEASURED else {}),
    "score": SETTINGS.score.cut(),
}
PERPLEXITIES = [column for column in CUTS if column != "score"]
CALIBRATIONS = [RESULTS / f"calibration/{column}.json" for column in PERPLEXITIES]
PINNED = [*([KENLM_MADE] if "kenlm" in MEASURED else []), *CALIBRATIONS]
STAGES_TO_SEARCH = ["documents", "signals", *(["causal"] if "causal" in MEASURED else [])]
COUNTING = RESULTS / f"models/given/{SETTINGS.models.tokenizer_role()}.tokenizer.json"


def model_of_column(wildcards):
    """What the values of a column depend on beside the records: another model, another cut."""
    return {
        "perplexity": KENLM_MADE,
        "causal_perplexity": RESULTS / "models/given/causal.json",
        "score": [judge_of_round(wildcards), *labels_of_cut(wildcards)],
    }[wildcards.column]


def settings_of_column(wildcards):
    """What else the values of a column depend on, where a rule that only reads them must see that it changed."""
    return [judging(), digest_of_file(Path(SETTINGS.score.prompt))] if wildcards.column == "score" else []


def values_to_calibrate(wildcards):
    """The tables that a cut is found from: the reference's, or those of the shards that its sample was drawn from."""
    column, cut = wildcards.column, CUTS[wildcards.column]
    if cut.files():
        return [RESULTS / FOLDERS[column] / REFERENCE / f"{column}.parquet"]
    if column == "score" and cut.precision is not None:
        return [RESULTS / f"{wildcards.round}judge/scores.parquet"]
    if not cut.by_percentile():
        return []
    pins = RESULTS / f"{wildcards.round}calibration/pins/{column}.json"
    pinned = json.loads(pins.read_text(encoding="utf-8"))["shards"] if pins.is_file() else []
    shards = sampled_shards(pinned, list(SHARDS), cut.percentile_of == "source")
    return [RESULTS / f"{wildcards.round}{FOLDERS[column]}/{shard}.parquet" for shard in shards]


def values_to_recalibrate(wildcards):
    """The same, of all shards as they are now."""
    if CUTS[wildcards.column].files() or not CUTS[wildcards.column].by_percentile():
        return values_to_calibrate(wildcards)
    return of_all_shards(f"{wildcards.round}{FOLDERS[wildcards.column]}")


def folder_of_values(wildcards):
    """The folder that holds the tables' folders."""
    return str(RESULTS / wildcards.round)


def cut_as_json(wildcards):
    return CUTS[wildcards.column].model_dump_json()


def reference_files(wildcards):
    return CUTS[wildcards.column].files()


def reference_option(wildcards):
    """The table that a cut is found from where that is not the corpus."""
    of_labels = wildcards.column == "score" and labels_of_cut(wildcards)
    option = "--reference" if CUTS[wildcards.column].files() else "--labelled" if of_labels else ""
    return [f"{option}={path}" for path in values_to_calibrate(wildcards)] if option else []


def causal_of_all_shards(ending=".parquet"):
    return of_all_shards("causal", ending) if "causal" in MEASURED else []


def causal_of_shard(ending=".parquet"):
    return [of_shard("causal", ending)] if "causal" in MEASURED else []


# The judge, and what people said of a labelled set. A cut by percentile or budget is known only when the corpus is scored; what a person
# asks for with `snakemake judge` waits for that in no case.

LABELLED = SETTINGS.score.files_of_labels()
JUDGE_AT_CUT = [] if CUTS["score"].by_percentile() else [RESULTS / "judge/at_cut.json"]


def judging():
    """How the judge is asked, without where its scores are cut: moving the cut asks nothing."""
    return section("score", without=(*CUT_OF_SCORE, "labelled"))


def labels_of_cut(wildcards):
    """The ledger of the labelled records' scores, where a cut is found from them."""
    return labels_in_round(wildcards.round)


def labels_in_round(folder):
    return [RESULTS / f"{folder}judge/scores.ledger.json"] if CUTS["score"].precision is not None else []


def measures_of_judge(wildcards):
    if not LABELLED:
        of_pairs = (
            "; the set that comes along is of instructions alone, and score.target is pair" if SETTINGS.score.labelled else ""
        )
        raise WorkflowError(
            f"score.labelled names nothing to measure the judge on{of_pairs}; docs/judge.md says how to label a set"
        )
    return [RESULTS / "judge/judge.json", *JUDGE_AT_CUT]


# Models


def model_of(role):
    """The description of the model that plays a role (label | point | answer)."""
    if role in GIVEN:
        return RESULTS / f"models/given/{role}.json"
    return RESULTS / f"models/{'label' if role == 'label' else 'chat'}/model.json"


def descriptions_of_all_models(wildcards):
    return sorted({model_of(role) for role in ("label", "point", "answer")})


def page_of_seed():
    """The survey of the seed pairs, where a model is trained on them."""
    return [RESULTS / "report/seed.html"] if SETTINGS.trained() else []


# What a rule's params hold: exactly the settings it uses, so that a change reruns no more than it must


def section(*path, without=()):
    """A part of the settings as JSON."""
    part = SETTINGS
    for name in path:
        part = getattr(part, name)
    return part.model_dump_json(exclude=set(without))


def state_to_search():
    """What the search for duplicates is made of, as a digest that opens no large file; None where some of it is not there."""
    models = [COUNTING, *PINNED, *([RESULTS / "models/given/causal.json"] if "causal" in MEASURED else [])]
    programs = (
        "ingest locate_model read_reference train_kenlm measure measure_causal calibrate gather_signals find_duplicates".split()
    )
    sections = [section(name) for name in ("corpus", "perplexity", "duplicates")] + [section("primary", without=["mask_personal"])]
    made = [(folder, ending) for folder in STAGES_TO_SEARCH for ending in (".parquet", ".ledger.json")]
    made += [(COPIES, ending) for ending in (".parquet", ".digest")]
    given = [piece.path for shard in PLAN for piece in shard.pieces]
    given += [*KENLM_GIVEN, *(file for column in PERPLEXITIES for file in CUTS[column].files())]
    if not all(file.is_file() for folder, ending in made for file in of_all_shards(folder, ending)):
        return None
    try:
        return digest(
            plan_as_json(PLAN),
            digest_of_states(given),
            *(code_digest(f"{name}.py") for name in programs),
            *(model.read_bytes() for model in models),
            *sections,
        )
    except FileNotFoundError:
        return None


def search_is_done():
    """Whether the last search was made of what is there now. A job that a run has started follows the search, or is of it."""
    if not workflow.is_main_process:
        return True
    return KNOWN.is_file() and KNOWN.read_text() == state_to_search()


SEARCH_IS_DONE = search_is_done()


def engine_of(role):
    """The engine's settings as JSON, with those of a role's servers only: label | point | answer | final | causal."""
    engine = SETTINGS.engine
    return engine.model_copy(update={"openai": engine.openai.of_role(role)}).model_dump_json()


def results_folder(wildcards):
    return str(RESULTS)


def store_of(stage):
    """The pattern of the folder in which a stage keeps a shard's completions."""
    return str(RESULTS / "completions" / stage / "{source}/{shard}")


def shard_as_json(wildcards):
    return json.dumps(asdict(SHARDS[f"{wildcards.source}/{wildcards.shard}"]), ensure_ascii=False)


def fields_as_json(wildcards):
    source = SOURCES[wildcards.source]
    own = source.format in ("jsonl", "parquet")
    return json.dumps(
        {"text": source.text, "title": source.title, "category": source.category} if own else None, ensure_ascii=False
    )


def files_of_questions(named):
    """Files, with those of the folders that are named among them."""
    try:
        return [file for name in named for file in question_files(name)]
    except BadQuestions as fault:
        raise WorkflowError(str(fault)) from None


def benchmarks_to_avoid():
    return files_of_questions(benchmark.path for benchmark in SETTINGS.decontamination.benchmarks)


def given_model(wildcards):
    """Folder or hub id of the model for a role (base | label | point | answer | causal)."""
    if wildcards.role == "causal":
        return SETTINGS.perplexity.causal.model or SETTINGS.models.base
    return SETTINGS.models.base if wildcards.role == "base" else SETTINGS.models.given(wildcards.role)


def chat_template_for(role):
    """The causal model reads texts as they are: a chat template is no part of it."""
    return [SETTINGS.models.chat_template] if SETTINGS.models.chat_template and role != "causal" else []


def files_of_given_model(wildcards):
    """What tells that a model's folder changed; nothing for a hub id."""
    folder = Path(given_model(wildcards))
    return deciding_files(folder) if folder.is_dir() else []


def chat_template_of_model(wildcards):
    return chat_template_for(wildcards.role)


def code_of_located_model(wildcards):
    return code_digest("locate_model.py", *chat_template_for(wildcards.role))


def served_option(wildcards):
    """What tells that a model whose weights are not here has changed."""
    is_served = given_model(wildcards).startswith(SERVED)
    return ["--served-version", SETTINGS.models.served_version] if is_served else []


def chat_template_option(wildcards):
    if wildcards.role == "causal":
        return ["--no-chat"]
    return [part for template in chat_template_for(wildcards.role) for part in ("--chat-template", template)]


def settings_of_training(role):
    """The training section without the other models' figures: changing those must not train this one again."""
    others = {
        "label": {"chat", "grounded", "final", "system_prompts"},
        "chat": {"label", "final", "system_prompts"},
        "final": {"label", "chat", "grounded"},
    }[role]
    return SETTINGS.training.model_dump_json(exclude=others)


def settings_of_role(wildcards):
    return settings_of_training(wildcards.role)


def prompts_of_training(wildcards):
    return [SETTINGS.label.prompt] if wildcards.role == "label" else polish_prompt_of_training()


def code_of_training(wildcards):
    return code_digest("train_model.py", *prompts_of_training(wildcards))


def options_of_training(role):
    """What train_model.py is told beside the role."""
    if role == "label":
        return ["--label-prompt", SETTINGS.label.prompt]
    return ["--polish-prompt", SETTINGS.polish.prompt] if SETTINGS.training.grounded else []


def task_of_training(wildcards):
    return options_of_training(wildcards.role)


def polish_prompt_of_training():
    """The chat model learns this prompt only where some of its pairs are grounded."""
    return [SETTINGS.polish.prompt] if SETTINGS.training.grounded else []


JUDGES = {"instruction": "the instruction alone", "pair": "the instruction with its text"}


def in_words(figures):
    return " ".join(f"{name}={value:g}" for name, value in figures.items())


def facts_for_people():
    """Settings that card and report state."""
    return {
        "method": f"label each text, score {JUDGES[SETTINGS.score.target]}, polish the text into an answer",
        "verdicts": ", ".join(f"{word} = {value:g}" for word, value in SETTINGS.score.worth().items()),
        "length limit": f"{SETTINGS.primary.max_tokens} tokens",
        "rules": f"{SETTINGS.instructions.rules} for instructions, {SETTINGS.answers.rules} for answers",
        "instructions drawn with": in_words(SETTINGS.label.decoding.drawn()),
        "answers drawn with": in_words(SETTINGS.polish.decoding.drawn()),
    }


# What `snakemake evaluate` compares. It reads models and held-out pairs, and no rule of another chapter reads what it writes.


def models_to_evaluate():
    """Descriptions by name, in the order in which they are shown. The base is there to be seen beside what was made of it; final models,
    of whichever round, are compared where they are trained already, because asking for one here would ask for the whole dataset."""
    later = {path: path.parts[-4] for path in RESULTS.glob("rounds/*/models/final/model.json")}
    finals = {
        "final": RESULTS / "models/final/model.json",
        **{f"final-{number}": path for path, number in sorted(later.items(), key=lambda pair: int(pair[1]))},
    }
    return {
        **({"base": RESULTS / "models/given/base.json"} if SETTINGS.models.base else {}),
        "chat": model_of("answer"),
        **{name: path for name, path in finals.items() if path.is_file()},
    }


EVALUATED = models_to_evaluate()
WITH_WEIGHTS = [name for name in EVALUATED if name != "chat" or not (SETTINGS.models.answer or "").startswith(SERVED)]
QUESTION_FILES = files_of_questions(SETTINGS.evaluation.questions)
SHOT_FILES = files_of_questions(SETTINGS.evaluation.shots_from) if SETTINGS.evaluation.shots else []
HELD_OUT = {name: RESULTS / f"evaluation/{name}/held_out.parquet" for name in WITH_WEIGHTS}
ANSWERED = {name: RESULTS / f"evaluation/{name}/answers.parquet" for name in EVALUATED} if QUESTION_FILES else {}


def evaluated_model(wildcards):
    return EVALUATED[wildcards.evaluated]


def engine_of_evaluated(wildcards):
    """Servers have the model that answers; what they do not have is run here."""
    if wildcards.evaluated == "chat" or SETTINGS.engine.name != "openai":
        return engine_of("answer")
    return SETTINGS.engine.model_copy(update={"name": "transformers"}).model_dump_json()


def prompts_of_evaluated(wildcards):
    return "plain" if wildcards.evaluated == "base" else SETTINGS.evaluation.prompts


def named(files):
    """Options as NAME=PATH."""
    return [f"{name}={path}" for name, path in files.items()]


def files_to_compare():
    """Tables of measures, and their ledgers, which are small and tell whether they changed."""
    tables = [*HELD_OUT.values(), *ANSWERED.values(), *([RESULTS / "evaluation/questions.parquet"] if QUESTION_FILES else [])]
    return {"ledgers": [table.with_suffix(".ledger.json") for table in tables], "tables": ancient(tables)}


# The plan of a run, and its pilot: a few texts on the way of a shard, under a folder of their own

PILOT = RESULTS / "pilot"
# A cut that is taken of the corpus's scores is taken of the pilot's; others are what they are. A budget says nothing of a pilot, so half stays.
PILOT_CUT = CUTS["score"].model_copy(update={"budget": None, "low_percentile": 50}) if CUTS["score"].budget else CUTS["score"]
LABELS_OF_PILOT = labels_in_round("")  # the first round's judge is who a pilot asks


def of_pilot(folder, ending=".parquet"):
    return PILOT / folder / f"pilot/pilot{ending}"


def pilot_folder(wildcards):
    return str(PILOT)


# Resources of jobs; memory and time double with each attempt, so that a resubmitted job has what the first one lacked


def doubled(count):
    def with_attempt(wildcards, attempt):
        return count * 2 ** (attempt - 1)

    return with_attempt


memory_of_model_job = doubled(SETTINGS.resources.memory_megabytes)
minutes_of_model_job = doubled(SETTINGS.resources.minutes)
memory_of_small_job = doubled(2000)


GPUS_TRAINING = SETTINGS.resources.gpus_training * SETTINGS.resources.nodes_training
os.environ.update(
    KUN_LAUNCH=f"--processes {SETTINGS.resources.gpus_training} --nodes {SETTINGS.resources.nodes_training}"
    f" --checkpoint-minutes {SETTINGS.resources.checkpoint_minutes:g}"
)


def estimate_of(role):
    """The reckoning that a training waits for, where the GPUs' memory is told."""
    return [RESULTS / f"models/{role}/memory.json"] if GPUS_TRAINING and SETTINGS.resources.gpu_gigabytes else []


def resources_of_training():
    """GPUs of all nodes together. One task starts the processes of a node; over several nodes srun does, so the job must not be in it."""
    nodes = SETTINGS.resources.nodes_training
    several = {"nodes": nodes, "tasks": nodes, "mpi": "srun"} if nodes > 1 else {}
    return {"gpu": GPUS_TRAINING, **({"tasks_per_gpu": 0} if GPUS_TRAINING > 1 else {}), **several}


# Jobs of a shard that follow each other. On a cluster they are one job, which waits in the queue once; docs/slurm.md


def in_one_job(name, wanted=True):
    """The group of a rule on a cluster, one for each round. Dry runs on one machine would search the groups of all shards for nothing."""

    def group_on_cluster(wildcards):
        folder = wildcards.get("round", "")
        return f"{name}{number_of_round(wildcards) if folder else ''}" if wanted and workflow.non_local_exec else None

    return group_on_cluster


# A model made from this corpus waits for all documents: `ingest` and `measure` then cannot be one job.
KENLM_IS_GIVEN = "kenlm" not in MEASURED or not KENLM.pinned()
