"""plan: what a run will take, before anything is queued: records, tokens, hours, jobs and disk of each stage, with intervals. Reads a sample
of each source and what the results folder holds; asks no model.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import kun.report.plan_page as pages
from kun.books.ledger import CHAIN
from kun.books.progress import followed
from kun.books.stage import Stage
from kun.corpus.documents import FIELDS
from kun.corpus.plan import NoPlan, Shard, plan_shards
from kun.corpus.raw import FileChanged
from kun.planning.chain import ASKS, STAGES, Evidence, Planned, fixed_tokens, plan_chain
from kun.planning.corpus import Expected, Sampled, expected, measured
from kun.planning.cuts import bands_known, bands_of_sample, share_by_definition
from kun.planning.estimates import Estimate, exactly, total, within
from kun.planning.known import bytes_below, known_of
from kun.planning.sampling import sample_of_source
from kun.planning.seed import Seed, seed_of
from kun.planning.speeds import BadSpeeds, Chosen, Speed, as_yaml, billions_of, choose, read_table
from kun.planning.speeds import measured as measured_speeds
from kun.roles.columns import PRIMARY
from kun.selection.contamination import Index
from kun.selection.questions import read_questions
from kun.settings.root import Settings
from kun.signals.kenlm_perplexity import NgramPerplexity, load
from kun.signals.language import language_model
from kun.signals.measure import Measurer
from kun.signals.token_counter import token_counter
from kun.training.seed_files import NoSeedFile

PILOT = "pilot/pilot"  # its place under results/pilot, as a shard's


def by_source(settings: Settings) -> dict[str, list[Shard]]:
    corpus = settings.corpus
    shards = plan_shards(corpus.sources, corpus.range_megabytes * 1_000_000, corpus.pack_megabytes * 1_000_000)
    return {source: list(group) for source, group in groupby(shards, key=lambda shard: shard.source)}


def samples(settings: Settings, shards: dict[str, list[Shard]], measurer: Measurer, folder: Path) -> list[Sampled]:
    """The sample of each source, measured. Raises FileChanged."""
    corpus, found = settings.corpus, []
    for source in followed(corpus.sources, "plan: samples", "sources", total=len(corpus.sources)):
        fields = FIELDS.get(source.format) or {"text": source.text, "title": source.title, "category": source.category}
        columns = [key for name in ("text", "title", "category") if (key := fields.get(name))]
        sample = sample_of_source(
            shards[source.name], settings.plan.sample, settings.plan.seed, corpus.max_record_megabytes * 1_000_000, columns
        )
        found.append(measured(source, sample, corpus.text, measurer, folder))
    return found


def expectations(settings: Settings, sampled: list[Sampled], ngrams: Any, assumed: dict[str, Estimate]) -> dict[str, Expected]:
    """What each source will give, by source."""
    results, sources = Path(settings.results), [found.source for found in sampled]
    bands: dict[str, dict[str, Any]] = {source: {} for source in sources}
    unknown = {}
    for name, column in (("kenlm", "perplexity"), ("causal", "causal_perplexity")):
        if name not in settings.perplexity.measures:
            continue
        cut = getattr(settings.perplexity, name).cut
        known = None
        if ngrams is not None and name == "kenlm":
            documents = {found.source: found.extrapolated(_documents(found)).likely for found in sampled}
            known = bands_known(results / f"calibration/{column}.json", ngrams.identity, sources)
            known = known or bands_of_sample(sampled, documents, column, cut)
        if known is None:
            unknown[column] = share_by_definition(cut, assumed["perplexity"])
        for source, band in (known or {}).items():
            bands[source][column] = band
    avoid = settings.decontamination
    questions = read_questions(avoid.benchmarks)
    index = Index(questions, avoid.gram, avoid.share, simplify=settings.corpus.text.simplify) if avoid.benchmarks else None
    return expected(sampled, settings.primary, settings.duplicates, assumed["copies"], index, bands, unknown)


def _documents(found: Sampled) -> list[int]:
    """Of each chunk."""
    return [len(chunk.records) - failed for chunk, failed in zip(found.sample.chunks, found.failed, strict=True)]


def corpus_stages(
    settings: Settings, expects: dict[str, Expected], shards: dict[str, list[Shard]], sampled, table
) -> list[Planned]:
    """Documents, signals and primary data. What shards have finished is known, where all of a source's have."""
    results, kept = Path(settings.results), {}
    for stage, field in (("raw", "raw"), ("documents", "documents"), ("primary", "primary")):
        for source, expect in expects.items():
            known = known_of(results, "documents" if stage == "raw" else stage, (shard.id() for shard in shards[source]))
            done = known.shards == len(shards[source]) and known.came_in
            kept.setdefault(stage, {})[source] = (
                exactly(known.came_in if stage == "raw" else known.kept) if done else getattr(expect, field)
            )
    jobs, size = sum(map(len, shards.values())), sum(found.sample.bytes for found in sampled)
    everything = all(not found.sample.unread for found in sampled)
    seconds = within(size / table["corpus"]["bytes_a_second"], 2.0)
    startup = within(table["corpus"]["startup"], 2.0)
    documents = total(kept["documents"].values())
    mean = _mean(expects, "document_bytes")
    words = "all records" if everything else f"a sample of {sum(found.records() for found in sampled):,} records"

    def stage(name: str, before: str, after: str, jobs: int, part: float, size: Estimate) -> Planned:
        return Planned(
            name, total(kept[before].values()), total(kept[after].values()), kept[after], words, jobs,
            seconds=total([seconds.scaled(part), startup.scaled(jobs)]), bytes=size, speed=table["corpus"]["source"],
        )  # fmt: skip

    return [
        stage("documents", "raw", "documents", jobs, 0.3, documents.scaled(mean)),
        stage("signals", "documents", "documents", jobs, 0.6, documents.scaled(_mean(expects, "signal_bytes"))),
        stage("primary", "documents", "primary", jobs + 1, 0.1, documents.scaled(mean * 1.2)),  # the dropped are kept, too
    ]


def causal_stage(settings: Settings, documents: Planned, expects: dict[str, Expected], chosen: Chosen) -> Planned:
    """A language model reads every document, or its first tokens."""
    causal, each = settings.perplexity.causal, _mean(expects, "tokens_of_all")
    tokens = documents.kept.times(within(each if causal.stride else min(each, causal.tokens), 1.2))
    started = within(documents.jobs * chosen.speed.startup, 2.0)
    seconds = total([chosen.seconds(tokens, exactly(0)), started])
    size = documents.kept.times(within(150, 1.5))  # a row, and an answer in the journal
    return Planned(
        "causal", documents.kept, documents.kept, documents.by_source, documents.rests_on, documents.jobs, tokens, exactly(0), seconds,
        settings.resources.gpus_completions, size, chosen.words,
    )  # fmt: skip


def _mean(expects: dict[str, Expected], name: str) -> float:
    """Over documents of all sources."""
    documents = sum(expect.documents.likely for expect in expects.values())
    return sum(getattr(expect, name) * expect.documents.likely for expect in expects.values()) / documents if documents else 0.0


def training_stages(settings: Settings, speeds: list[Speed], device: str, seed: Seed) -> Iterator[Planned]:
    """The trainings that a run needs."""
    billions = billions_of(settings.models.base or "") or UNKNOWN_SIZE
    for role in settings.models.trained_roles():
        run = getattr(settings.training, role)
        chosen = choose(speeds, "train", "", device, billions)
        if role == "label":
            tokens = seed.tokens + seed.pairs * fixed_tokens(settings.label.prompt)
        else:  # a grounded pair shows its answer as the known text as well
            tokens = seed.tokens + settings.training.grounded * (seed.tokens + seed.pairs * fixed_tokens(settings.polish.prompt))
        read = within(tokens * (1 - settings.seed.held_out) * run.epochs, 1.3)
        seconds = read.scaled(1 / chosen.speed.learned).times(within(1.0, chosen.doubt))
        start = within(chosen.speed.startup, 2.0)
        yield Planned(
            f"train {role}", exactly(0), exactly(0), {}, f"{seed.pairs} seed pairs × epochs", 1, read, exactly(0), total([seconds, start]),
            settings.resources.gpus_training, exactly(billions * 4e9), chosen.words,
        )  # fmt: skip


UNKNOWN_SIZE = 7.0  # billions of parameters of a model whose name and folder do not tell


def model_for(settings: Settings, stage: str) -> str:
    """The model that a stage asks, as far as its size goes: a trained one is as large as its base."""
    if stage == "causal":
        return settings.perplexity.causal.model or settings.models.base or ""
    role = {"label": "label", "score": "point", "polish": "answer"}[stage]
    return settings.models.given(role) or settings.models.base or ""


def model_of_ngrams(settings: Settings) -> NgramPerplexity | None:
    """The n-gram model, where it is measured with and made already."""
    description = Path(settings.results) / "models/kenlm/model.json"
    if "kenlm" not in settings.perplexity.measures or not description.is_file():
        return None
    try:
        return load(json.loads(description.read_text(encoding="utf-8")))
    except ValueError as error:
        raise SystemExit(str(error)) from None


def make_plan(
    settings: Settings, tokenizer: Path, trust: bool, folder: Path
) -> tuple[dict[str, Any], list[Sampled], dict[str, Expected]]:
    """Raises NoPlan, FileChanged and BadSpeeds."""
    results, shards = Path(settings.results), by_source(settings)
    tables = [read_table(Path(name)) for name in settings.plan.speeds]
    assumed = {name: Estimate(*(value if isinstance(value, list) else [value] * 3)) for name, value in tables[0]["assumed"].items()}
    device, trains_on = settings.runs_on(), settings.trains_on()
    known_speeds = [speed for table in tables for speed in table["speeds"]]
    own = measured_speeds(results, known_speeds, trains_on)
    speeds = [*own, *known_speeds]

    ngrams = model_of_ngrams(settings)
    counter = token_counter(Path(json.loads(tokenizer.read_text(encoding="utf-8"))["path"]), trust)
    sampled = samples(settings, shards, Measurer(counter, language_model(), ngrams), folder)
    expects = expectations(settings, sampled, ngrams, assumed)

    corpus = corpus_stages(settings, expects, shards, sampled, tables[0])
    documents = sum(expect.primary.likely for expect in expects.values())
    tokens = sum(expect.tokens * expect.primary.likely for expect in expects.values()) / documents if documents else 0.0
    of_shards = [stage for stage in STAGES if stage != "dataset"]
    here = {
        source: {stage: known_of(results, stage, (shard.id() for shard in mine)) for stage in of_shards}
        for source, mine in shards.items()
    }
    pilot = {stage: known_of(results / "pilot", stage, [PILOT]) for stage in of_shards}
    evidence = Evidence(
        here, pilot, assumed, {source: len(mine) for source, mine in shards.items()}, known_of(results, "dataset", ["pairs"])
    )

    def speed_of(stage: str):
        return choose(speeds, stage, settings.engine.name, device, billions_of(model_for(settings, stage)) or UNKNOWN_SIZE)

    if "causal" in settings.perplexity.measures:
        corpus.insert(2, causal_stage(settings, corpus[0], expects, speed_of("causal")))
    chain = plan_chain(corpus[-1].by_source, tokens, _mean(expects, "document_bytes"), settings, evidence, speed_of)
    largest = settings.corpus.max_record_megabytes * 1_000_000
    seed = seed_of(settings.seed.files, largest, counter) if settings.models.trained_roles() else Seed()
    training = list(training_stages(settings, speeds, trains_on, seed))
    stages = [*corpus, *training, *chain]
    plan = {
        "name": settings.dataset.name,
        "raw": total(expect.raw for expect in expects.values()).as_json(),
        "device": device,
        "stages": [stage.as_json() for stage in stages],
        "bytes": total(stage.bytes for stage in stages).as_json(),
        "bytes_there": sum(bytes_below(folder) for folder in results.glob("*/") if folder.name not in ("report", "logs")),
        "sources": {found.source: _source(found, expects[found.source], len(shards[found.source])) for found in sampled},
        "warnings": list(warnings(settings, sampled)),
        "measured_speeds": len(own),
    }
    if own:
        write(results / "report/speeds.yaml", as_yaml(own))
    return plan, sampled, expects


def _source(found: Sampled, expect: Expected, shards: int) -> dict[str, Any]:
    return {
        "bytes": found.sample.bytes,
        "shards": shards,
        "sampled": found.records(),
        "sampled_shards": len(found.sample.shards()),
        "share_read": round(found.share_read(), 6),
        "raw": expect.raw.as_json(),
        "documents": expect.documents.as_json(),
        "primary": expect.primary.as_json(),
        "unusable": dict(sorted(found.reasons.items())),
        "gone": dict(sorted(expect.gone.items())),
        "copies": expect.copies.as_json(),
        "notes": expect.notes,
    }


def warnings(settings: Settings, sampled: list[Sampled]) -> Iterator[str]:
    """What would stop the run, or leave it without data."""
    for found in sampled:
        records = {shard: 0 for shard in found.sample.shards()}
        for chunk in found.sample.chunks:
            records[chunk.shard] += len(chunk.records)
        for shard, failed in sorted(found.shards_of_failed.items()):
            if failed > settings.corpus.max_rejected * records[shard]:
                yield (
                    f"{shard}: {failed} of {records[shard]} sampled records cannot be used; corpus.max_rejected allows "
                    f"{settings.corpus.max_rejected:.1%} of a shard, so `ingest` may stop there"
                )
        if not found.chunk_of:
            yield f"source {found.source}: no document in its sample"


def draw_pilot(settings: Settings, sampled: list[Sampled], expects: dict[str, Expected], output: Path) -> None:
    """Texts for the pilot, of each source in proportion to its primary data: those of the sample whose ids sort first."""
    import polars as pl

    everything = sum(expect.primary.likely for expect in expects.values()) or 1.0
    with Stage("pilot", output, PRIMARY) as stage:
        for found in sampled:
            wanted = round(settings.plan.pilot * expects[found.source].primary.likely / everything)
            documents = pl.read_parquet(found.documents)
            signals = pl.read_parquet(found.signals, columns=["tokens", "perplexity"])
            both = documents.hstack(signals).with_columns(pl.lit(None, dtype=pl.Float32).alias("causal_perplexity"))
            for row in both[expects[found.source].chosen].sort("id").head(wanted).to_dicts():
                stage.take()
                stage.keep(row)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.rename(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Settings.model_validate_json, required=True, help="the whole configuration, as JSON")
    parser.add_argument("--tokenizer", type=Path, required=True, help="JSON of locate_model")
    parser.add_argument("--trust-remote-code", action="store_true")
    parser.add_argument("--pilot", type=Path, help="only draw texts for a pilot, into this Parquet")
    arguments = parser.parse_args()
    settings: Settings = arguments.settings
    report = Path(settings.results) / "report"
    try:
        with tempfile.TemporaryDirectory(prefix="plan-") as folder:
            plan, sampled, expects = make_plan(settings, arguments.tokenizer, arguments.trust_remote_code, Path(folder))
            if arguments.pilot:
                draw_pilot(settings, sampled, expects, arguments.pilot)
                return
    except (NoPlan, FileChanged, BadSpeeds, NoSeedFile) as fault:
        sys.exit(f"plan: {fault}")
    text = json.dumps(plan, ensure_ascii=False, indent=1) + "\n"
    write(report / "plan.json", text)
    # What the report holds the run against: the last plan from before a model was asked.
    begun = any((Path(settings.results) / folder).is_dir() for folder in CHAIN if folder in ASKS)
    if not begun or not (report / "planned.json").is_file():
        write(report / "planned.json", text)
    write(report / "plan.html", pages.as_page(plan))
    print(pages.as_text(plan))
    print(f"\nThe same to look at: {report / 'plan.html'}")


if __name__ == "__main__":
    main()
