"""The ledger of one job: how many records came in, were kept, dropped or failed, and why. It must balance.

in = kept + Σ dropped + Σ failed. A ledger holds no time and no path, so equal work gives equal bytes: Snakemake compares these small
files by checksum, and a rerun that changed nothing stops there.
"""

from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field


class Unbalanced(Exception):
    """A stage lost or invented records: a defect of the program, never of the data."""


class Ledger(BaseModel):
    """Counts of one job. `digest` identifies the kept records' content; `notes` hold identities (model, calibration) and tallies."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    stage: str
    came_in: int = Field(alias="in", default=0)
    kept: int = 0
    dropped: dict[str, int] = {}
    failed: dict[str, int] = {}
    digest: str = ""
    notes: dict[str, Any] = {}

    def check(self, where: str) -> None:
        """Raises Unbalanced, naming `where` and the figures, if the sum is off."""
        if self.came_in != self.kept + sum(self.dropped.values()) + sum(self.failed.values()):
            raise Unbalanced(
                f"{where}: in {self.came_in} ≠ kept {self.kept} + dropped {self.dropped} + failed {self.failed}; please report this"
            )

    def to_json(self) -> bytes:
        return orjson.dumps(self.model_dump(by_alias=True), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        ledger = cls.model_validate(orjson.loads(path.read_bytes()))
        ledger.check(str(path))
        return ledger


def total(ledgers: list[Ledger]) -> Ledger:
    """The sum of several ledgers of one stage (no digest)."""
    dropped: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    for ledger in ledgers:
        dropped.update(ledger.dropped)
        failed.update(ledger.failed)
    return Ledger(
        stage=ledgers[0].stage if ledgers else "",
        came_in=sum(ledger.came_in for ledger in ledgers),
        kept=sum(ledger.kept for ledger in ledgers),
        dropped=dict(sorted(dropped.items())),
        failed=dict(sorted(failed.items())),
    )


# A shard's way through the books: what a stage keeps is what the next takes in.
CHAIN = ("documents", "signals", "primary", "labelled", "scored", "curated", "polished", "pairs")


def check_chain(shard: str, ledgers: dict[str, Ledger]) -> None:
    """Raises Unbalanced where a stage of CHAIN did not take in exactly what the one before kept."""
    for before, after in pairwise(CHAIN):
        if ledgers[before].kept != ledgers[after].came_in:
            raise Unbalanced(
                f"{shard}: {before} kept {ledgers[before].kept} records, but {after} took in {ledgers[after].came_in}; "
                f"run `snakemake` again for {shard}, and report this if it stays"
            )
