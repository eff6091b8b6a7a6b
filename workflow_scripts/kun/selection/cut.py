"""Where values are cut: between two numbers, for all sources or for each, as calibrate wrote them down; and the refusal to hold
values of another identity against them.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kun.books.tables import metadata_of

ALL = "*"  # in place of a source's name, which never holds it
FOLDERS = {"perplexity": "signals", "causal_perplexity": "causal", "score": "scored"}  # the stage whose tables hold a column


class ForeignCut(SystemExit):
    """Values of different models or normal forms would be held against each other. Ends a program with a message naming both."""


@dataclass(frozen=True)
class Band:
    """Values from low to high stay, both included; None: no cut at that end."""

    low: float | None = None
    high: float | None = None

    def __bool__(self) -> bool:
        return self.low is not None or self.high is not None


@dataclass(frozen=True)
class Cuts:
    """The bands of one column, by source or for ALL, and the identity of the values they were made from (None: of any)."""

    column: str
    identity: str | None
    bands: dict[str, Band]
    path: Path

    @classmethod
    def read(cls, path: Path) -> "Cuts":
        made = json.loads(path.read_text(encoding="utf-8"))
        bands = {source: Band(cut["low"], cut["high"]) for source, cut in made["cuts"].items()}
        return cls(made["column"], made["identity"], bands, path)

    def of(self, source: str) -> Band:
        """The band of a source. Ends the program for a source that was not there when the cuts were made."""
        band = self.bands.get(source) or self.bands.get(ALL)
        if band is None:
            raise ForeignCut(f"{self.path} holds no cut for source {source}; run snakemake again, or `snakemake recalibrate`")
        return band

    def for_table(self, table: Path, source: str) -> Band:
        """The band for a table's values. Raises ForeignCut where they are of another identity than the cuts."""
        identity = metadata_of(table)[self.column]
        if self.identity not in (None, identity):
            raise ForeignCut(
                f"the cut was calibrated for a {self.column} of {self.identity}, but {table} holds that of {identity}; "
                "run `snakemake recalibrate`, or where the cut is a number of yours, find it again and say its `identity`"
            )
        return self.of(source)


def one_identity(tables: Iterable[Path], column: str) -> str | None:
    """The identity that all tables' values of a column carry; None for no table. Raises ForeignCut, naming two that differ."""
    return agreed(column, ((metadata_of(table)[column], str(table)) for table in tables))


def agreed(column: str, identities: Iterable[tuple[str, str]]) -> str | None:
    """The one identity among (identity, where it was found). Raises ForeignCut, naming two that differ."""
    first: tuple[str, str] | None = None
    for identity, where in identities:
        first = first or (identity, where)
        if identity != first[0]:
            raise ForeignCut(
                f"values of {column} under different identities cannot be put together: {first[0]} in {first[1]}, {identity} in {where}; "
                "run snakemake again, which measures them anew"
            )
    return first[0] if first else None
