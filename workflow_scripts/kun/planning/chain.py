"""From primary data to pairs: what each stage keeps, asks and costs, by the best that is known of it.

What is known of a stage, best first: shards of this folder that have finished it; a pilot; what the settings say by definition (a percentile
keeps what it says); what config/speeds.yaml assumes. Each figure carries which of these it rests on.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kun.planning.estimates import NOTHING, Estimate, exactly, share, total
from kun.planning.known import Known
from kun.planning.speeds import Chosen
from kun.settings.root import Settings

STAGES = ("labelled", "scored", "curated", "polished", "pairs", "dataset")
ASKS = {"labelled": "label", "scored": "score", "polished": "polish"}  # stages that ask a model, by the name of their journals
DONE = "done"
ENOUGH = 20  # records from which on a share is taken from shards that are finished
LUMPS = 0.25  # records of a few shards tell as much as so many single ones
CHARACTERS_A_TOKEN = 1.5  # of a prompt's fixed part
BYTES_A_TOKEN, BYTES_AN_ANSWER = 5, 250  # of a journal: a token is 1.5 characters of three bytes; keys, counts, engine


@dataclass(frozen=True)
class Evidence:
    """What is known of the stages of the chain: `here` by source and stage, `pilot` and `assumed` by stage; `dataset` is one of all sources."""

    here: dict[str, dict[str, Known]]
    pilot: dict[str, Known]
    assumed: dict[str, Estimate]
    shards: dict[str, int]  # of each source
    dataset: Known = field(default_factory=Known)


@dataclass
class Planned:
    """A stage of all sources together."""

    stage: str
    came_in: Estimate
    kept: Estimate
    by_source: dict[str, Estimate]  # kept
    rests_on: str
    jobs: int = 0
    prompt_tokens: Estimate = NOTHING
    output_tokens: Estimate = NOTHING
    seconds: Estimate = NOTHING
    gpus: int = 0
    bytes: Estimate = NOTHING
    speed: str = ""
    sources_in: dict[str, Estimate] = field(default_factory=dict)

    def as_json(self) -> dict:
        return {
            "stage": self.stage,
            "in": self.came_in.as_json(),
            "kept": self.kept.as_json(),
            "by_source": {source: kept.as_json() for source, kept in self.by_source.items()},
            "rests_on": self.rests_on,
            "jobs": self.jobs,
            "prompt_tokens": self.prompt_tokens.as_json(),
            "output_tokens": self.output_tokens.as_json(),
            "hours": self.seconds.scaled(1 / 3600).as_json(),
            "gpus": self.gpus,
            "bytes": self.bytes.as_json(),
            "speed": self.speed,
        }


def plan_chain(
    primary: dict[str, Estimate],
    tokens: float,
    document_bytes: float,
    settings: Settings,
    evidence: Evidence,
    speed_of: Callable[[str], Chosen],
) -> list[Planned]:
    """The stages of STAGES. `primary`: documents by source; `tokens`, `document_bytes`: of one of them, in the mean."""
    stages, coming = [], primary
    for stage in STAGES:
        kept, words = _kept(stage, coming, settings, evidence)
        planned = Planned(stage, total(coming.values()), total(kept.values()), kept, words, sources_in=coming)
        planned.jobs = 1 if stage == "dataset" else sum(evidence.shards.values())
        if stage in ASKS:
            _ask(planned, tokens, settings, evidence, speed_of(ASKS[stage]))
        planned.bytes = _bytes(planned, document_bytes, evidence)
        stages.append(planned)
        coming = kept
    return stages


def _kept(stage: str, coming: dict[str, Estimate], settings: Settings, evidence: Evidence) -> tuple[dict[str, Estimate], str]:
    """What stays of each source, and what that rests on."""
    if stage == "dataset" and evidence.dataset.came_in and evidence.dataset.came_in == total(coming.values()).high:
        part = exactly(evidence.dataset.kept / evidence.dataset.came_in)
        return {source: records.times(part) for source, records in coming.items()}, DONE
    kept, reasons = {}, []
    everywhere = evidence.dataset if stage == "dataset" else _sum(known[stage] for known in evidence.here.values())
    for source, records in coming.items():
        known, shards = evidence.here[source].get(stage, Known()), evidence.shards[source]
        if known.shards == shards and known.came_in:
            kept[source] = exactly(known.kept)
            reasons.append(DONE)
            continue
        if known.came_in >= ENOUGH:
            part = share(known.kept, known.came_in, LUMPS)
            reasons.append(f"{known.shards} of {shards} shards of {source}")
        elif everywhere.came_in >= ENOUGH:
            part = share(everywhere.kept, everywhere.came_in, LUMPS / 2)
            reasons.append("the dataset before" if stage == "dataset" else "finished shards of other sources")
        else:
            part, words = _share_without(stage, total(coming.values()), settings, evidence)
            reasons.append(words)
        kept[source] = records.times(part)
    return kept, ", ".join(dict.fromkeys(reasons))


def _share_without(stage: str, coming: Estimate, settings: Settings, evidence: Evidence) -> tuple[Estimate, str]:
    """The share that stays where no shard has finished a stage."""
    pilot, assumed = evidence.pilot.get(stage, Known()), evidence.assumed
    if stage == "curated":
        score = settings.score
        if score.budget is not None:
            return (exactly(min(1.0, score.budget / coming.likely)) if coming.likely else exactly(1.0)), "by definition (budget)"
        if score.percentile is not None:
            rules = _by_rules(pilot) if pilot.came_in else assumed["rules"]
            words = f"by definition (percentile {score.percentile:g}), rules by {'the pilot' if pilot.came_in else 'assumption'}"
            return rules.times(exactly(1 - score.percentile / 100)), words
    if pilot.came_in:
        return share(pilot.kept, pilot.came_in), f"pilot of {pilot.came_in}"
    if stage == "curated":
        return assumed["rules"].times(assumed["good"]), "assumed"
    return assumed[stage], "assumed"


def _by_rules(pilot: Known) -> Estimate:
    """The share that stays by length and words: a record is dropped for its score only when these let it pass."""
    return share(pilot.came_in - (pilot.came_in - pilot.kept - pilot.reasons["low_score"]), pilot.came_in)


def _sum(parts) -> Known:
    found = Known()
    for part in parts:
        found.shards += part.shards
        found.came_in += part.came_in
        found.kept += part.kept
        found.prompt_tokens += part.prompt_tokens
        found.output_tokens += part.output_tokens
        found.bytes += part.bytes
    return found


def _ask(planned: Planned, tokens: float, settings: Settings, evidence: Evidence, chosen: Chosen) -> None:
    """Tokens and seconds of a stage that asks a model."""
    stage = planned.stage
    known = _sum(known[stage] for known in evidence.here.values())
    if known.came_in < ENOUGH:
        known = evidence.pilot.get(stage, Known())
    if known.came_in:
        sure = 1.0 if planned.rests_on == DONE else 1.1 if known.came_in >= ENOUGH else 1.5
        prompt, output = (_about(count / known.came_in, sure) for count in (known.prompt_tokens, known.output_tokens))
    else:
        prompt, output = _tokens_assumed(stage, tokens, settings, evidence.assumed)
    planned.prompt_tokens, planned.output_tokens = planned.came_in.times(prompt), planned.came_in.times(output)
    started = planned.jobs * chosen.speed.startup
    asking = chosen.seconds(planned.prompt_tokens, planned.output_tokens)
    planned.seconds = total([asking, Estimate(started / 2, started, started * 2)])
    planned.gpus, planned.speed = settings.resources.gpus_completions, chosen.words


def _about(value: float, factor: float) -> Estimate:
    return Estimate(value / factor, value, value * factor)


def fixed_tokens(prompt: str) -> float:
    """Of a prompt's fixed part, about."""
    return len(Path(prompt).read_text(encoding="utf-8")) / CHARACTERS_A_TOKEN


def _tokens_assumed(stage: str, tokens: float, settings: Settings, assumed: dict[str, Estimate]) -> tuple[Estimate, Estimate]:
    """(prompt, output) tokens of a record, all its candidates together."""
    part = {"labelled": settings.label, "scored": settings.score, "polished": settings.polish}[stage]
    fixed = exactly(fixed_tokens(part.prompt))
    text, instruction = _about(tokens, 1.2), assumed["instruction_tokens"].at_most(settings.label.decoding.drawn()["max_tokens"])
    several = settings.label.candidates
    if stage == "labelled":
        return total([fixed, text]).scaled(several), instruction.scaled(several)
    if stage == "scored":
        shown = [text] if settings.score.target == "pair" else []
        return total([fixed, instruction, *shown]).scaled(several), exactly(several)
    return total([fixed, text, instruction]), text.times(assumed["answer_of_text"]).at_most(
        settings.polish.decoding.drawn()["max_tokens"]
    )


def _bytes(planned: Planned, document_bytes: float, evidence: Evidence) -> Estimate:
    """Of the stage's tables, and of its journals."""
    known = evidence.dataset if planned.stage == "dataset" else _sum(known[planned.stage] for known in evidence.here.values())
    if known.came_in >= ENOUGH:
        tables = planned.came_in.scaled(known.bytes / known.came_in)
    else:
        tables = planned.came_in.times(
            _about(document_bytes * (2 if planned.stage in ("polished", "pairs", "dataset") else 1.3), 1.5)
        )
    answers = planned.came_in.scaled(BYTES_AN_ANSWER) if planned.stage in ASKS else NOTHING
    return total([tables, answers, planned.output_tokens.scaled(BYTES_A_TOKEN)])
