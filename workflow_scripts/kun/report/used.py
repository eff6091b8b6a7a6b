"""What a run used, beside what was planned for it."""

from pathlib import Path
from typing import Any

from kun.planning.known import Known, bytes_below, described, known_of, seconds_of_job
from kun.report.plan_page import hours, interval, number, size, title

RULES = {  # by stage: the rule whose jobs made it, and the folder of its journals
    "documents": ("ingest", ""),
    "signals": ("measure", ""),
    "causal": ("measure_causal", "causal"),
    "primary": ("select_primary", ""),
    "labelled": ("label", "label"),
    "scored": ("score", "score"),
    "curated": ("select_instructions", ""),
    "polished": ("polish", "polish"),
    "pairs": ("check_answers", ""),
}


def used_and_planned(results: Path, shards: list[str]) -> list[dict[str, Any]]:
    """A row for each stage of the plan that was made before the run; none where none was made."""
    return [_row(results, stage, shards) for stage in described(results / "report/planned.json").get("stages", [])]


def _row(results: Path, stage: dict[str, Any], shards: list[str]) -> dict[str, Any]:
    known, seconds, there = _used(results, stage["stage"], shards)
    low, likely, high = stage["kept"]
    counted = bool(stage["by_source"])
    return {
        "title": title(stage["stage"]),
        "planned": interval(stage["kept"]) if counted else "",
        "used": number(known.kept) if counted else "",
        "off": f"{100 * (likely / known.kept - 1):+.0f} %" if counted and known.kept else "",
        "outside": counted and not round(low) <= known.kept <= round(high + 0.5),
        "tokens_planned": _tokens(interval(stage["prompt_tokens"]), interval(stage["output_tokens"]), stage["prompt_tokens"][2]),
        "tokens_used": _tokens(number(known.prompt_tokens), number(known.output_tokens), known.prompt_tokens),
        "time_planned": hours(stage["hours"]),
        "time_used": hours([seconds / 3600] * 3) if seconds else "",
        "disk_planned": size(stage["bytes"]),
        "disk_used": size([there] * 3),
        "rests_on": stage["rests_on"],
    }


def _tokens(read: str, written: str, any_: float) -> str:
    return f"{read} / {written}" if any_ else ""


def _used(results: Path, stage: str, shards: list[str]) -> tuple[Known, float, int]:
    """(records and tokens, seconds of the last job of each shard, bytes)."""
    if stage.startswith("train "):
        role = stage.removeprefix("train ")
        facts = described(results / f"models/{role}/model.json").get("trained", {})
        known = Known(prompt_tokens=facts.get("tokens", 0))
        return known, seconds_of_job(results / f"benchmarks/train_{role}_model.tsv") or 0.0, bytes_below(results / f"models/{role}")
    if stage == "dataset":
        known = known_of(results, stage, ["pairs"])
        return known, seconds_of_job(results / "benchmarks/assemble.tsv") or 0.0, bytes_below(results / stage)
    rule, journals = RULES[stage]
    known = known_of(results, stage, shards)
    seconds = sum(seconds_of_job(results / f"benchmarks/{rule}/{shard}.tsv") or 0.0 for shard in shards)
    return known, seconds, known.bytes + (bytes_below(results / "completions" / journals) if journals else 0)
