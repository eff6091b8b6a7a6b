# What every chapter uses: the checked settings, the shard plan, where things are. Holds no rule.

import json
import os
import sys
from pathlib import Path

SCRIPTS = Path(workflow.basedir) / "workflow_scripts"
sys.path.insert(0, str(SCRIPTS))
# The programs run under the Python that runs Snakemake; a conda environment, where one is used, still comes first.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

from snakemake.exceptions import WorkflowError

from kun.books.digests import code_digest
from kun.corpus.plan import NoFiles, plan_shards
from kun.settings.load import BadConfiguration, load

try:
    SETTINGS = load(config)
    PLAN = plan_shards(SETTINGS.corpus.sources, SETTINGS.corpus.range_megabytes * 1_000_000)
except (BadConfiguration, NoFiles) as fault:
    raise WorkflowError(str(fault)) from None

RESULTS = Path(SETTINGS.results)
SHARDS = {shard.id(): shard for shard in PLAN}
SOURCES = {source.name: source for source in SETTINGS.corpus.sources}
GIVEN = [role for role in ("label", "point", "answer") if SETTINGS.models.given(role)]


wildcard_constraints:
    source="|".join(SOURCES),
    shard="[^/]+",


def of_shard(folder, ending=".parquet"):
    """The pattern of a stage's file, one per shard."""
    return RESULTS / folder / ("{source}/{shard}" + ending)


def of_all_shards(folder, ending=".parquet"):
    """A stage's files for all shards, in plan order."""
    return [RESULTS / folder / f"{shard}{ending}" for shard in SHARDS]


def of_shard_text(folder):
    """The pattern of a shard's folder, for params (which take text, not paths)."""
    return str(RESULTS / folder / "{source}/{shard}")


def section(*path, without=()):
    """A part of the settings as JSON: what a rule uses, and nothing more, belongs into its params."""
    part = SETTINGS
    for name in path:
        part = getattr(part, name)
    return part.model_dump_json(exclude=set(without))


def facts_for_people():
    """Settings that card and report state."""
    return {
        "method": "label each text, score the instruction alone, polish the text into an answer",
        "length limit": f"{SETTINGS.primary.max_tokens} tokens",
        "score threshold": f"p({SETTINGS.score.good}) ≥ {SETTINGS.score.threshold}",
        "rules": f"{SETTINGS.instructions.rules} for instructions, {SETTINGS.answers.rules} for answers",
        "drawing": "temperature {0.temperature}, top_p {0.top_p}, repetition penalty {0.repetition_penalty}".format(SETTINGS.label.decoding),
    }


def model_of(role):
    """The description of the model that plays a role (label | point | answer)."""
    if role in GIVEN:
        return RESULTS / f"models/given/{role}.json"
    return RESULTS / f"models/{'label' if role == 'label' else 'chat'}/model.json"


def models_of_roles():
    return {role: str(model_of(role)) for role in ("label", "point", "answer")}


def descriptions_of_all_models(wildcards):
    return sorted(set(models_of_roles().values()))


def primary_of_all_shards(wildcards):
    return of_all_shards("primary", ".ledger.json")


def memory_of_model_job(wildcards, attempt):
    """MB; doubles with each attempt, so that a resubmitted job has what the first one lacked."""
    return SETTINGS.resources.memory_megabytes * 2 ** (attempt - 1)


def minutes_of_model_job(wildcards, attempt):
    return SETTINGS.resources.minutes * 2 ** (attempt - 1)


def memory_of_small_job(wildcards, attempt):
    return 2000 * 2 ** (attempt - 1)
