"""A survey of the seed pairs: counts by file, format and reason, lengths, languages, and some pairs that were kept and dropped.

Read from the tables of prepare_seed, a batch at a time; in memory are counts and the few records that are shown.
"""

import heapq
from bisect import bisect_right
from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from kun.books.digests import digest
from kun.books.stage import dropped_path
from kun.books.tables import Row, read_rows

LENGTHS = (0, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)  # characters; where bands begin
TENTHS = tuple(tenth / 10 for tenth in range(10))
SIDES = ("instruction", "output")
LONGEST = 400  # characters shown of a text


def survey(pairs: Path, files: list[str], samples: int) -> dict[str, Any]:
    """Everything that the page shows, JSON-ready. `files`: in the order of the configuration; `samples`: pairs shown of the kept, and of
    each reason at most."""
    found = _Survey(files, samples)
    for row in read_rows(pairs):
        found.keep(row)
    for row in read_rows(dropped_path(pairs)):
        found.drop(orjson.loads(row["record"]), row["outcome"], row["reason"], row["detail"])
    return found.as_json()


class _Survey:
    def __init__(self, files: list[str], samples: int):
        self.samples = samples
        self.files = {file: {"kept": 0, "held_out": 0, "formats": Counter(), "reasons": Counter()} for file in files}
        self.formats: dict[str, Counter] = {}  # format → kept | dropped → pairs
        self.reasons: Counter[tuple[str, str]] = Counter()  # (outcome, reason)
        self.lengths = {side: {"kept": Counter(), "dropped": Counter()} for side in SIDES}
        self.languages: dict[str, Counter] = {"kept": Counter(), "dropped": Counter()}
        self.shown: dict[str, list] = {}  # reason, or "" for kept → those whose digests sort first

    def keep(self, row: Row) -> None:
        self._count(row, "kept")
        self.files[row["file"]]["kept"] += 1
        self.files[row["file"]]["held_out"] += row["held_out"]
        self._show("", row, "")

    def drop(self, row: Row, outcome: str, reason: str, detail: str) -> None:
        self._count(row, "dropped")
        self.files[row["file"]]["reasons"][reason] += 1
        self.reasons[outcome, reason] += 1
        self._show(reason, row, detail)

    def _count(self, row: Row, side: str) -> None:
        self.files[row["file"]]["formats"][row["format"]] += 1
        self.formats.setdefault(row["format"], Counter())[side] += 1
        if "instruction" in row:  # else it could not be read
            for text in SIDES:
                self.lengths[text][side][bisect_right(LENGTHS, len(row[text])) - 1] += 1
            self.languages[side][bisect_right(TENTHS, row["han_share"]) - 1] += 1

    def _show(self, reason: str, row: Row, detail: str) -> None:
        """A choice by content, so the same in every run."""
        place = digest("shown", row["locator"], str(row["turn"]))
        shown = {"locator": row["locator"], "turn": row["turn"], "detail": detail}
        if "instruction" in row:
            shown |= {side: _clipped(row[side]) for side in SIDES}
        else:
            shown["value"] = _clipped(row["value"])
        self.shown[reason] = heapq.nsmallest(
            self.samples, [*self.shown.get(reason, []), (place, shown)], key=lambda entry: entry[0]
        )

    def as_json(self) -> dict[str, Any]:
        reasons = sorted(self.reasons.items(), key=lambda entry: (-entry[1], entry[0]))
        return {
            "files": [
                {
                    "file": file,
                    "in": known["kept"] + known["reasons"].total(),
                    "kept": known["kept"],
                    "held_out": known["held_out"],
                    "formats": dict(sorted(known["formats"].items())),
                    "reasons": dict(sorted(known["reasons"].items(), key=lambda entry: (-entry[1], entry[0]))),
                }
                for file, known in self.files.items()
            ],
            "formats": {
                format: {"kept": counts["kept"], "dropped": counts["dropped"]} for format, counts in sorted(self.formats.items())
            },
            "reasons": [{"outcome": outcome, "reason": reason, "pairs": count} for (outcome, reason), count in reasons],
            "lengths": {side: _bands(LENGTHS, counts) for side, counts in self.lengths.items()},
            "languages": _bands(TENTHS, self.languages),
            "kept": [shown for _, shown in self.shown.get("", [])],
            "dropped": {reason: [shown for _, shown in self.shown[reason]] for (_, reason), _ in reasons},
        }


def _bands(starts: tuple, counts: dict[str, Counter]) -> list[dict[str, Any]]:
    return [
        {"from": start, "kept": counts["kept"][number], "dropped": counts["dropped"][number]} for number, start in enumerate(starts)
    ]


def _clipped(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
