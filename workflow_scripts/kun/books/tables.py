"""Tables of records as Parquet, written and read in batches, so that a shard never has to fit in memory.

A file appears under its name only when it is complete: it is written beside it and renamed.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]
BATCH = 1024  # rows: large enough for Parquet, small enough for memory
LARGEST = 1_000_000  # characters of a batch's texts; beyond it a batch ends early, so memory stays flat for long texts as well

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
    """Write rows to `path` with a fixed schema. `digest` is of the content, whatever Parquet's encoding or the size of batches."""

    def __init__(self, path: Path, schema: pa.Schema, metadata: dict[str, str] | None = None):
        self.path, self.schema = path, schema.with_metadata(metadata or None)
        self.partial = path.with_name(path.name + ".partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        # Texts, ids and fingerprints hardly repeat: dictionaries and statistics of them would cost time and save nothing.
        self.parquet = pq.ParquetWriter(self.partial, self.schema, compression="zstd", use_dictionary=False, write_statistics=False)
        self.texts = [field.name for field in schema if pa.types.is_string(field.type)]
        self.lists = [field.name for field in schema if field.type == pa.list_(pa.string())]
        self.rows: list[Row] = []
        self.waiting = 0  # characters of the rows that are not written yet
        self.count = 0
        self.content = {field.name: ContentDigest(field.type) for field in schema}

    def add(self, row: Row) -> None:
        """Append one row; its keys are the schema's columns. Raises KeyError for a missing one."""
        if not row.keys() >= self.content.keys():
            raise KeyError(f"{self.path}: a row without {', '.join(sorted(self.content.keys() - row.keys()))}")
        self.rows.append(row)
        self.count += 1
        self.waiting += sum([len(row[name] or "") for name in self.texts])
        self.waiting += sum([len(text or "") for name in self.lists for text in row[name] or ()])
        if len(self.rows) >= BATCH or self.waiting >= LARGEST:
            self._flush()

    def add_columns(self, columns: dict[str, Any]) -> None:
        """Append a batch given by column (lists or arrays of one length). Raises KeyError for a missing column."""
        self._flush()
        arrays = [pa.array(columns[field.name], type=field.type) for field in self.schema]
        self.count += len(arrays[0])
        self._write(pa.RecordBatch.from_arrays(arrays, schema=self.schema))

    def _flush(self) -> None:
        if self.rows:
            arrays = [pa.array([row[field.name] for row in self.rows], type=field.type) for field in self.schema]
            self._write(pa.RecordBatch.from_arrays(arrays, schema=self.schema))
            self.rows, self.waiting = [], 0

    def _write(self, batch: pa.RecordBatch) -> None:
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            self.content[name].update(column)
        self.parquet.write_batch(batch)

    @property
    def digest(self) -> str:
        self._flush()
        whole = hashlib.blake2b(digest_size=16)
        for name, content in self.content.items():
            whole.update(name.encode() + b"\0" + content.digest())
        return whole.hexdigest()

    def close(self) -> None:
        self._flush()
        self.parquet.close()
        self.partial.rename(self.path)

    def abandon(self) -> None:
        self.parquet.close()
        self.partial.unlink(missing_ok=True)


class ContentDigest:
    """Digest of a column's values, the same however the column is cut into arrays: of which are null, of lengths, of bytes."""

    def __init__(self, kind: pa.DataType) -> None:
        self.nulls, self.lengths, self.values = (hashlib.blake2b(digest_size=16) for _ in range(3))
        self.elements = ContentDigest(kind.value_type) if pa.types.is_list(kind) else None

    def update(self, array: pa.Array) -> None:
        self.nulls.update(array.is_null().cast(pa.uint8()).to_numpy().tobytes())
        if self.elements:
            self.lengths.update(array.value_lengths().fill_null(0).to_numpy().tobytes())
            self.elements.update(array.flatten())
            return
        if array.null_count:
            array = array.fill_null("" if pa.types.is_string(array.type) else 0)
        if pa.types.is_string(array.type):
            offsets = np.frombuffer(array.buffers()[1], dtype=np.int32)[array.offset : array.offset + len(array) + 1]
            self.lengths.update(np.diff(offsets).tobytes())
            if len(array) and offsets[-1] > offsets[0]:
                self.values.update(array.buffers()[2][offsets[0] : offsets[-1]])
        elif pa.types.is_fixed_size_binary(array.type):
            width = array.type.byte_width
            self.values.update(array.buffers()[1][array.offset * width : (array.offset + len(array)) * width])
        else:
            self.values.update(array.to_numpy(zero_copy_only=False).tobytes())

    def digest(self) -> bytes:
        of_elements = self.elements.digest() if self.elements else b""
        return self.nulls.digest() + self.lengths.digest() + self.values.digest() + of_elements


def read_rows(path: Path, columns: list[str] | None = None) -> Iterator[Row]:
    """Rows of a table in order, a batch in memory at a time."""
    for batch in _batches(path, columns):
        yield from batch.to_pylist()


def read_columns(path: Path, columns: list[str]) -> Iterator[dict[str, list]]:
    """Columns of a table in the batches in which it was written."""
    for batch in _batches(path, columns):
        yield batch.to_pydict()


def _batches(path: Path, columns: list[str] | None) -> Iterator[pa.Table]:
    with pq.ParquetFile(path) as table:
        for number in range(table.num_row_groups):
            yield table.read_row_group(number, columns=columns, use_threads=False)


def count_rows(path: Path) -> int:
    with pq.ParquetFile(path) as table:
        return table.metadata.num_rows


def metadata_of(path: Path) -> dict[str, str]:
    """The table's own notes (identities of what was measured), without Arrow's."""
    with pq.ParquetFile(path) as table:
        stored = table.schema_arrow.metadata or {}
    return {key.decode(): value.decode() for key, value in stored.items() if not key.startswith(b"ARROW:")}
