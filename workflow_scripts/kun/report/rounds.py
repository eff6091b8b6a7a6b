"""Rounds of curation beside each other: how each one's judge scored the same texts, what it kept, and how good a judge it is."""

import json
from dataclasses import dataclass
from math import fsum
from pathlib import Path
from typing import Any

from kun.books.ledger import Ledger
from kun.books.rounds import folder_of_round, folder_of_stage
from kun.books.stage import ledger_path
from kun.books.tables import read_columns


@dataclass(frozen=True)
class RoundFigures:
    number: int
    scored: int  # texts whose instructions have a score
    mean_score: float | None  # None: no text has one
    kept: int  # texts of which an instruction was kept
    kept_before: int | None  # how many of these the round before kept as well; None in the first
    pairs: int
    judge: dict[str, float | None]  # roc_auc, precision and recall at the cut, on the labelled set; {}: not measured


def read_rounds(results: Path, shards: list[str], last: int, judged: bool) -> list[RoundFigures]:
    """Of all rounds up to `last`. `judged`: whether their judges were measured."""
    numbers = range(1, last + 1)
    kept, shared = overlaps([folder_of_stage(results, "curated", number) for number in numbers], shards)
    return [
        _figures(results, shards, number, kept[number - 1], shared[number - 2] if number > 1 else None, judged)
        for number in numbers
    ]


def overlaps(folders: list[Path], shards: list[str]) -> tuple[list[int], list[int]]:
    """(How many ids each folder's tables hold, how many each folder shares with the one before it.) In memory at once: two tables' ids."""
    kept, shared = [0] * len(folders), [0] * (len(folders) - 1)
    for shard in shards:
        before: set[str] = set()
        for place, folder in enumerate(folders):
            ids = set(_column(folder / f"{shard}.parquet", "id"))
            kept[place] += len(ids)
            if place:
                shared[place - 1] += len(ids & before)
            before = ids
    return kept, shared


def _figures(results: Path, shards: list[str], number: int, kept: int, kept_before: int | None, judged: bool) -> RoundFigures:
    scored = folder_of_stage(results, "scored", number)
    scores = [score for shard in shards for score in _column(scored / f"{shard}.parquet", "score")]
    pairs = Ledger.read(ledger_path(folder_of_stage(results, "dataset", number) / "pairs.parquet")).kept
    judge = _judge(results / folder_of_round(number) / "judge") if judged else {}
    return RoundFigures(number, len(scores), fsum(scores) / len(scores) if scores else None, kept, kept_before, pairs, judge)


def _judge(folder: Path) -> dict[str, float | None]:
    found, cut = (json.loads((folder / name).read_text(encoding="utf-8")) for name in ("judge.json", "at_cut.json"))
    return {"roc_auc": found["roc_auc"], "precision": cut["precision"], "recall": cut["recall"]}


def _column(table: Path, name: str) -> list[Any]:
    return [value for batch in read_columns(table, [name]) for value in batch[name]]
