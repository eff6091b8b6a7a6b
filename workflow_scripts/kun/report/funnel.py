"""The funnel: for each stage, how many records came in and stayed, and why the others did not."""

from dataclasses import dataclass
from pathlib import Path

from kun.books.ledger import CHAIN, Ledger, total
from kun.books.rounds import folder_of_stage
from kun.books.stage import ledger_path

TITLES = {
    "documents": "documents",
    "signals": "measured",
    "primary": "primary data",
    "labelled": "labelled",
    "scored": "scored",
    "curated": "instructions kept",
    "polished": "polished",
    "pairs": "checked",
    "dataset": "pairs",
}


@dataclass(frozen=True)
class Step:
    title: str
    came_in: int
    kept: int
    reasons: dict[str, int]  # dropped and failed together
    by_source: dict[str, int]  # kept


@dataclass(frozen=True)
class Funnel:
    raw: int
    steps: list[Step]
    pairs: int
    by_source: dict[str, dict[str, Ledger]]
    tokens: dict[str, dict[str, int]]  # stage -> prompt and output tokens


def read_funnel(results: Path, shards: list[str], number: int = 1) -> Funnel:
    """All ledgers of the shards and of the dataset, summed, in the round of this number."""
    folders = {stage: folder_of_stage(results, stage, number) for stage in (*CHAIN, "dataset")}
    ledgers = {stage: {shard: Ledger.read(ledger_path(folders[stage] / f"{shard}.parquet")) for shard in shards} for stage in CHAIN}
    sources = list(dict.fromkeys(shard.split("/")[0] for shard in shards))
    by_source = {
        source: {
            folder: total([ledger for shard, ledger in ledgers[folder].items() if shard.startswith(f"{source}/")])
            for folder in CHAIN
        }
        for source in sources
    }
    steps = [
        _step(folder, total(list(ledgers[folder].values())), {source: by_source[source][folder].kept for source in sources})
        for folder in CHAIN
        if folder != "signals"  # measuring keeps every record
    ]
    dataset = Ledger.read(ledger_path(folders["dataset"] / "pairs.parquet"))
    tokens = {
        folder: {
            kind: sum(ledger.notes.get(kind, 0) for ledger in ledgers[folder].values())
            for kind in ("prompt_tokens", "output_tokens")
        }
        for folder in ("labelled", "scored", "polished")
    }
    return Funnel(steps[0].came_in, [*steps, _step("dataset", dataset, {})], dataset.kept, by_source, tokens)


def _step(folder: str, ledger: Ledger, by_source: dict[str, int]) -> Step:
    reasons = dict(sorted({**ledger.dropped, **ledger.failed}.items(), key=lambda item: (-item[1], item[0])))
    return Step(TITLES[folder], ledger.came_in, ledger.kept, reasons, by_source)
