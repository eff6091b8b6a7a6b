"""What a results folder says already: the ledgers and files of the shards that a stage has finished."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from kun.books.ledger import Ledger, Unbalanced
from kun.books.stage import dropped_path, ledger_path


@dataclass
class Known:
    """Sums over the finished shards of a stage."""

    shards: int = 0
    came_in: int = 0
    kept: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    bytes: int = 0  # of its tables
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, table: Path) -> None:
        """Nothing where the shard is not finished, or its ledger is being written."""
        try:
            ledger = Ledger.read(ledger_path(table))
            size = table.stat().st_size
        except (OSError, ValueError, Unbalanced):
            return
        self.shards += 1
        self.came_in += ledger.came_in
        self.kept += ledger.kept
        self.prompt_tokens += ledger.notes.get("prompt_tokens", 0)
        self.output_tokens += ledger.notes.get("output_tokens", 0)
        self.bytes += size
        if (aside := dropped_path(table)).is_file():  # may have been deleted to free disk
            self.bytes += aside.stat().st_size
        self.reasons.update({**ledger.dropped, **ledger.failed})


def known_of(results: Path, folder: str, shards: Iterable[str]) -> Known:
    """Of those of the shards that a stage has finished."""
    known = Known()
    for shard in shards:
        known.add(results / folder / f"{shard}.parquet")
    return known


def bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def seconds_of_job(benchmark: Path) -> float | None:
    """Wall-clock seconds of a finished job, as Snakemake noted them; None where it did not."""
    try:
        head, figures = benchmark.read_text(encoding="utf-8").splitlines()[:2]
        return float(dict(zip(head.split("\t"), figures.split("\t"), strict=True))["s"])
    except (OSError, ValueError, KeyError):
        return None


def described(path: Path) -> dict:
    """A JSON file's object; {} where there is none yet."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
