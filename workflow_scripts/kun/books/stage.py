"""A stage's three outputs, written together: the kept records, the dropped ones with their reasons, and the ledger."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from kun.books.ledger import Ledger
from kun.books.tables import DROPPED, Row, TableWriter


class Stage:
    """`with Stage(...) as stage:` then, for every record that comes in, exactly one of keep, drop or fail.

    The three files appear together at the end, and only if the books balance; an error leaves none of them.
    """

    def __init__(self, name: str, kept: Path, schema: pa.Schema, metadata: dict[str, str] | None = None):
        self.name, self.kept = name, kept
        self.keeps = TableWriter(kept, schema, metadata)
        self.drops = TableWriter(dropped_path(kept), DROPPED)
        self.came_in = 0
        self.reasons: dict[str, Counter[str]] = {"dropped": Counter(), "failed": Counter()}
        self.notes: dict[str, Any] = {}

    def take(self, count: int = 1) -> None:
        """Count records on their way in."""
        self.came_in += count

    def keep(self, row: Row) -> None:
        self.keeps.add(row)

    def keep_columns(self, columns: dict[str, Any]) -> None:
        """Keep a batch given by column."""
        self.keeps.add_columns(columns)

    def drop(self, row: Row, reason: str, detail: str = "") -> None:
        """The record was judged and is not wanted."""
        self._put_aside("dropped", row, reason, detail)

    def fail(self, row: Row, reason: str, detail: str = "") -> None:
        """The record could not be read or answered."""
        self._put_aside("failed", row, reason, detail)

    def _put_aside(self, outcome: str, row: Row, reason: str, detail: str) -> None:
        self.reasons[outcome][reason] += 1
        record = orjson.dumps(row, option=orjson.OPT_SORT_KEYS).decode()
        self.drops.add({"id": row.get("id", ""), "outcome": outcome, "reason": reason, "detail": detail, "record": record})

    def ledger(self) -> Ledger:
        return Ledger(
            stage=self.name,
            came_in=self.came_in,
            kept=self.keeps.count,
            dropped=dict(sorted(self.reasons["dropped"].items())),
            failed=dict(sorted(self.reasons["failed"].items())),
            digest=self.keeps.digest,
            notes=self.notes,
        )

    def __enter__(self) -> "Stage":
        return self

    def __exit__(self, kind: type | None, *_: object) -> None:
        if kind is not None:
            self._abandon()
            return
        try:
            ledger = self.ledger()
            ledger.check(str(self.kept))
            self.keeps.close()
            self.drops.close()
            ledger_path(self.kept).write_bytes(ledger.to_json())
        except BaseException:
            self._abandon()
            raise

    def _abandon(self) -> None:
        self.keeps.abandon()
        self.drops.abandon()
        for path in (self.kept, dropped_path(self.kept), ledger_path(self.kept)):
            path.unlink(missing_ok=True)


def ledger_path(kept: Path) -> Path:
    return kept.with_name(kept.name.removesuffix(".parquet") + ".ledger.json")


def dropped_path(kept: Path) -> Path:
    return kept.with_name(kept.name.removesuffix(".parquet") + ".dropped.parquet")
