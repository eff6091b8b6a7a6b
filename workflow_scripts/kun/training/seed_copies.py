"""Which seed pairs ask what an earlier one asks: the corpus's search for duplicates (kun/selection/duplicates.py), on instructions.

Compared are Simplified forms, so the same instruction in both scripts is one. Pairs wait in a table on disk; in memory are fingerprints
and signatures, some 330 bytes a pair.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from kun.books.tables import Row, TableWriter, read_rows
from kun.corpus.traditional import simplified
from kun.selection.duplicates import find_duplicates
from kun.settings.selection import Duplicates
from kun.signals.fingerprints import fingerprint_columns
from kun.signals.forms import bare, compatible
from kun.training.seed import SCHEMA

_WAITING = pa.schema(
    [
        *(field for field in SCHEMA if field.name != "locator"),
        ("record", pa.string()),  # the pair's locator
        ("locator", pa.string()),  # what the search names the pair by: with its turn, for a record may hold several
        ("text", pa.string()),
        ("fingerprint", pa.binary(16)),
        ("minhash", pa.binary(256)),
    ]
)


class Waiting:
    """Pairs in order, and then each with the reason why it is dropped, if it is a copy."""

    def __init__(self, path: Path):
        self.path, self.table = path, TableWriter(path, _WAITING)

    def add(self, rows: Sequence[Row]) -> None:
        texts = [simplified(row["instruction"]) for row in rows]
        fingerprints, signatures = fingerprint_columns(bare(compatible(texts)))
        for row, text, fingerprint, minhash in zip(rows, texts, fingerprints, signatures, strict=True):
            named = row["locator"] + (f" turn {row['turn']}" if row["turn"] else "")
            search = {"record": row["locator"], "locator": named, "text": text, "fingerprint": fingerprint, "minhash": minhash}
            self.table.add(row | search)

    def decided(self, settings: Duplicates) -> Iterator[tuple[Row, str | None, str]]:
        """(pair, reason, detail); reason None, duplicate or near_duplicate."""
        self.table.close()
        [(_, found)] = find_duplicates([("seed/", self.path, self.path)], settings) if self.table.count else [("", None)]
        copies = {copy["row"]: copy for copy in found.to_pylist()} if found else {}
        for number, row in enumerate(read_rows(self.path, [name for name in _WAITING.names if name not in _SEARCHED])):
            pair = row | {"locator": row.pop("record")}
            if number not in copies:
                yield pair, None, ""
                continue
            copy = copies[number]
            owner = copy["owner"].removeprefix("seed:")
            if copy["kind"] == "near":
                yield pair, "near_duplicate", f"{copy['similarity']:.2f} like {owner}"
            else:
                yield pair, "duplicate", f"of {owner}"

    def discard(self) -> None:
        self.table.abandon()
        self.path.unlink(missing_ok=True)


_SEARCHED = ("text", "fingerprint", "minhash", "locator")
