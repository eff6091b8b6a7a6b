"""What the checks on instructions and answers found: hits of every rule, and what other thresholds would drop, over all shards."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kun.books.ledger import Ledger
from kun.books.stage import ledger_path

_TITLES = {"curated": "instructions", "pairs": "answers"}


@dataclass(frozen=True)
class Check:
    """One stage's; counts are of all records that came in, dropped or not."""

    title: str
    came_in: int
    preset: str  # whose rules drop
    rules: dict[str, dict[str, int]]  # preset -> rule -> hits, most first
    would_drop: dict[str, dict[str, int]]  # setting -> value -> answers that it would drop by itself
    tails: int  # hedging tails found at the end of an answer
    with_new: int  # answers with a number or a name that neither text nor instruction has


def read_checks(results: Path, shards: list[str]) -> list[Check]:
    """Of instructions and of answers."""
    return [
        _check(title, [Ledger.read(ledger_path(results / folder / f"{shard}.parquet")) for shard in shards])
        for folder, title in _TITLES.items()
    ]


def _check(title: str, ledgers: list[Ledger]) -> Check:
    notes = [ledger.notes for ledger in ledgers]
    return Check(
        title,
        sum(ledger.came_in for ledger in ledgers),
        ", ".join(dict.fromkeys(note["preset"] for note in notes)),
        {preset: dict(Counter(rules).most_common()) for preset, rules in _summed(note["rules"] for note in notes).items()},
        _summed(note.get("would_drop", {}) for note in notes),
        *(sum(note.get(name, 0) for note in notes) for name in ("tails", "with_new")),
    )


def _summed(tables: Iterable[dict[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    """Tables of equal shape, added up; in the order of the first."""
    whole: dict[str, dict[str, int]] = {}
    for table in tables:
        for outer, counts in table.items():
            sums = whole.setdefault(outer, {})
            for inner, count in counts.items():
                sums[inner] = sums.get(inner, 0) + count
    return whole
