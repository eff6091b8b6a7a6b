"""Tables of records as Parquet, written and read in batches, so that a shard never has to fit in memory.

A file appears under its name only when it is complete: it is written beside it and renamed.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]
BATCH = 1024  # rows: large enough for Parquet, small enough for memory

DROPPED = pa.schema(
    [
        ("id", pa.string()),
        ("outcome", pa.string()),  # dropped | failed
        ("reason", pa.string()),  # a short fixed word
        ("detail", pa.string()),  # for a person: the value that decided, the other record, the parser's words
        ("record", pa.string()),  # the whole record as JSON
    ]
)


class TableWriter:
    """Write rows to `path` with a fixed schema. `digest` is of the rows' content, whatever Parquet's encoding."""

    def __init__(self, path: Path, schema: pa.Schema, metadata: dict[str, str] | None = None):
        self.path, self.schema = path, schema.with_metadata(metadata or None)
        self.partial = path.with_name(path.name + ".partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.parquet = pq.ParquetWriter(self.partial, self.schema, compression="zstd")
        self.rows: list[Row] = []
        self.count = 0
        self.content = hashlib.blake2b(digest_size=16)

    def add(self, row: Row) -> None:
        """Append one row; its keys are the schema's columns. Raises KeyError for a missing one."""
        row = {name: row[name] for name in self.schema.names}
        self.content.update(orjson.dumps(row) + b"\n")
        self.rows.append(row)
        self.count += 1
        if len(self.rows) >= BATCH:
            self._flush()

    def _flush(self) -> None:
        if self.rows:
            self.parquet.write_table(pa.Table.from_pylist(self.rows, schema=self.schema))
            self.rows = []

    @property
    def digest(self) -> str:
        return self.content.hexdigest()

    def close(self) -> None:
        self._flush()
        self.parquet.close()
        self.partial.rename(self.path)

    def abandon(self) -> None:
        self.parquet.close()
        self.partial.unlink(missing_ok=True)


def read_rows(path: Path, columns: list[str] | None = None) -> Iterator[Row]:
    """Rows of a table in order, a batch in memory at a time."""
    with pq.ParquetFile(path) as table:
        for batch in table.iter_batches(batch_size=BATCH, columns=columns):
            yield from batch.to_pylist()


def count_rows(path: Path) -> int:
    with pq.ParquetFile(path) as table:
        return table.metadata.num_rows


def metadata_of(path: Path) -> dict[str, str]:
    """The table's own notes (identities of what was measured), without Arrow's."""
    with pq.ParquetFile(path) as table:
        stored = table.schema_arrow.metadata or {}
    return {key.decode(): value.decode() for key, value in stored.items() if not key.startswith(b"ARROW:")}
