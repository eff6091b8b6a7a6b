"""A configuration as Snakemake holds it (a plain dictionary) to Settings, or one message that says everything that is wrong with it."""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from kun.settings.corpus import Source
from kun.settings.models import SERVED
from kun.settings.perplexity import SOURCE
from kun.settings.root import Settings

PUBLISHED = {  # folder name under corpus.data_folder: the source it is
    "WuDaoCorpus2.0_base_200G": ("wudao", "wudao"),
    "WanJuan1_dot_0": ("wanjuan", "wanjuan"),
    "SkyPile-150B": ("skypile", "skypile"),
}
GONE = {  # keys of former versions: what to write now
    f"score.{word}": "the words are keys of `verdicts` now, with their values: score: {verdicts: {好: 1, 差: 0}}"
    for word in ("good", "bad")
}


class BadConfiguration(Exception):
    """The message lists every fault: key, what was found, what is expected."""


def load(config: dict[str, Any]) -> Settings:
    """Validate `config`. Raises BadConfiguration for unknown keys, wrong types, contradictions and files that are not there."""
    try:
        settings = Settings.model_validate(config)
    except ValidationError as error:
        raise BadConfiguration(_message(_fault(item) for item in error.errors())) from None
    settings = _with_found_sources(Settings.model_validate(_without_tildes(settings.model_dump())))
    faults = list(_missing(settings))
    if faults:
        raise BadConfiguration(_message(faults))
    return settings


def is_hub_id(name: str) -> bool:
    """`organisation/model` that is no folder here; anything else is a path."""
    return (
        name.count("/") == 1
        and not name.startswith((".", "/", "~", SERVED))
        and not Path(name).exists()
        and not Path(name).parent.is_dir()
    )


def _message(faults: Iterable[str]) -> str:
    return "\n".join(["The configuration has faults; nothing was started.", *(f"  - {fault}" for fault in faults)])


def _fault(item: dict[str, Any]) -> str:
    place = _dotted(item["loc"])
    if place in GONE:
        return f"{place}: this key is gone; {GONE[place]}"
    if item["type"] == "extra_forbidden":
        known = _keys_at(item["loc"][:-1])
        near = difflib.get_close_matches(str(item["loc"][-1]), known, n=1, cutoff=0.5)
        return (
            f"{place}: there is no such key" + (f"; did you mean {near[0]}?" if near else "") + f" Known here: {', '.join(known)}"
        )
    if item["type"] == "missing":
        return f"{place}: this key is needed"
    found = item["input"]
    shown = repr(found) if not isinstance(found, dict) else "a mapping"
    return f"{place}: {item['msg'].removeprefix('Value error, ')} (found {shown:.80})"


def _dotted(location: tuple[str | int, ...]) -> str:
    """("corpus", "sources", 0, "path") as corpus.sources[0].path"""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "the configuration"


def _keys_at(location: tuple[str | int, ...]) -> list[str]:
    model: type[BaseModel] = Settings
    for part in location:
        if isinstance(part, str):
            kind = model.model_fields[part].annotation
            model = next(
                (inner for inner in (kind, *get_args(kind)) if isinstance(inner, type) and issubclass(inner, BaseModel)), model
            )
    return list(model.model_fields)


def _without_tildes(value: Any) -> Any:
    """The same values with ~/ spelled out: neither Snakemake nor a quoted argument does it later."""
    if isinstance(value, dict):
        return {key: _without_tildes(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_tildes(inner) for inner in value]
    return str(Path(value).expanduser()) if isinstance(value, str) and value.startswith("~/") else value


def _with_found_sources(settings: Settings) -> Settings:
    """`corpus.data_folder` spelled out as sources."""
    corpus = settings.corpus
    if not corpus.data_folder or corpus.sources:
        return settings
    folder = Path(corpus.data_folder).expanduser()
    found = [
        Source(name=name, format=kind, path=str(folder / published))
        for published, (name, kind) in PUBLISHED.items()
        if (folder / published).is_dir()
    ]
    return settings.model_copy(update={"corpus": corpus.model_copy(update={"sources": found})})


def _missing(settings: Settings) -> Iterator[str]:
    """Faults that only a look at the disk shows, and choices that do not fit together."""
    if settings.corpus.data_folder and not all(
        source.path.startswith(settings.corpus.data_folder) for source in settings.corpus.sources
    ):
        yield "corpus.data_folder: it takes the place of corpus.sources; give one of them (`data_folder: null` or `sources: []`)"
    if not settings.corpus.sources:
        yield (
            f"corpus.data_folder: none of {', '.join(PUBLISHED)} is in {settings.corpus.data_folder!r}"
            if settings.corpus.data_folder
            else "corpus.sources: name at least one source (or corpus.data_folder); `make demo` shows a run without any data of yours"
        )
    names = [source.name for source in settings.corpus.sources]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"corpus.sources: two sources are named {name!r}"
    for key, name in _files(settings):
        if not Path(name).expanduser().exists():
            yield f"{key}: there is no {name!r} (relative paths start at the folder where snakemake runs)"
    for name in settings.perplexity.kenlm.sources_of_reference():
        if name not in names:
            yield f"perplexity.kenlm.reference: there is no source {name!r}; known: {', '.join(names) or 'none'}"
    if settings.trained() and not settings.models.base:
        yield f"models.base: needed, because the model for {' and '.join(settings.trained())} is to be trained"
    kenlm = settings.perplexity.kenlm
    own = {Path(name).resolve() for name in kenlm.reference} & {Path(name).resolve() for name in kenlm.cut.files()}
    for name in sorted(own):
        yield (
            f"perplexity.kenlm.cut.percentile_of: {name.name} is what the model is trained on, where its perplexities are far too low; "
            "name another text, or cut the file in two"
        )
    if "causal" in settings.perplexity.measures and not (settings.perplexity.causal.model or settings.models.base):
        yield "perplexity.causal.model: needed, because perplexity.measures names causal and models.base is null"
    yield from _unserved(settings)


def _unserved(settings: Settings) -> Iterator[str]:
    """Faults in what servers are to do."""
    models, servers = settings.models, settings.engine.openai
    causal = "causal" in settings.perplexity.measures
    served = [role for role in ("label", "point", "answer") if (models.given(role) or "").startswith(SERVED)]
    for key, name in (("models.base", models.base), ("perplexity.causal.model", settings.perplexity.causal.model)):
        if (name or "").startswith(SERVED):
            yield f"{key}: its weights or its tokenizer are needed here, so it cannot be {name!r}; give a folder or a hub id"
    for role in served:
        if settings.engine.name != "openai" or servers.prompts != "chat":
            yield (
                f"models.{role}: a {SERVED} model has no tokenizer here, so it is asked with `engine: {{name: openai, openai: {{prompts: chat}}}}` only"
            )
    if "label" in served and not models.base:
        yield (
            f"models.base: needed to count the documents' tokens, because models.label is {SERVED} and has no tokenizer here; "
            "give a folder or a hub id"
        )
    if settings.engine.name != "openai":
        return
    for role in ("label", "point", "answer", *(["causal"] if causal else [])):
        if not servers.of_role(role).servers:
            yield f"engine.openai.servers: name at least one for {role}, as http://node7:8000/v1"
    if settings.iterations > 1:
        yield from _unserved_judge(settings)
    if causal and servers.prompts == "chat":
        yield "engine.openai.prompts: perplexity.measures names causal, which needs tokens"


def _unserved_judge(settings: Settings) -> Iterator[str]:
    """What a second round's judge would be mistaken for: a server is believed about the model that it has."""
    servers = settings.engine.openai
    if settings.iterations > 2:
        yield "iterations: with `engine.name: openai` at most 2; a server cannot have the final models of several rounds under one name"
    named = [part for part in (servers.servers, servers.model) if isinstance(part, dict)]
    if not any("final" in part for part in named) or not servers.of_role("final").servers:
        yield (
            "engine.openai.servers: the judge of the second round is a model of its own, so name its servers apart, as `final: […]`, or "
            "`model: {final: …}` where the same servers have it"
        )


def _files(settings: Settings) -> Iterator[tuple[str, str]]:
    """(key, path) of everything that must be on the disk before a run."""
    for number, source in enumerate(settings.corpus.sources):
        yield f"corpus.sources[{number}].path", source.path
    kenlm = settings.perplexity.kenlm
    for key in ("model", "sentencepiece"):
        if getattr(kenlm, key):
            yield f"perplexity.kenlm.{key}", getattr(kenlm, key)
    for number, name in enumerate(kenlm.reference):
        if not name.startswith(SOURCE):
            yield f"perplexity.kenlm.reference[{number}]", name
    for name in ("kenlm", "causal"):
        for number, file in enumerate(getattr(settings.perplexity, name).cut.files()):
            yield f"perplexity.{name}.cut.percentile_of[{number}]", file
    for number, benchmark in enumerate(settings.decontamination.benchmarks):
        yield f"decontamination.benchmarks[{number}].path", benchmark.path
    for key in ("questions", "shots_from"):
        for number, name in enumerate(getattr(settings.evaluation, key)):
            yield f"evaluation.{key}[{number}]", name
    causal, models = settings.perplexity.causal.model, settings.models
    if causal and not is_hub_id(causal):
        yield "perplexity.causal.model", causal
    needed = {"label": models.label, "point": models.point, "answer": models.answer}
    if settings.trained():
        needed["base"] = models.base
        for number, name in enumerate(settings.seed.files):
            yield f"seed.files[{number}]", name
    elif models.tokenizer_role() == "base" or ("causal" in settings.perplexity.measures and not causal):
        needed["base"] = models.base
    for role, name in needed.items():
        if name and not is_hub_id(name) and not name.startswith(SERVED):
            yield f"models.{role}", name
    if models.chat_template:
        yield "models.chat_template", models.chat_template
    for number, name in enumerate(settings.score.files_of_labels()):
        yield f"score.labelled[{number}]", name
    for number, name in enumerate(settings.plan.speeds):
        yield f"plan.speeds[{number}]", name
    for role in ("label", "score", "polish"):
        yield f"{role}.prompt", getattr(settings, role).prompt
