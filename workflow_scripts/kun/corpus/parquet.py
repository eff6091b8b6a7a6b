"""Records that are rows of a Parquet file: the mapped columns, a small batch in memory at a time. Knows no shards."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kun.corpus.containers import PIECE
from kun.corpus.parse import Raw

NO_VALUE = (ValueError, OverflowError, KeyError)  # bad UTF-8, a date or a time zone that Python does not have
BATCH = 64  # rows: a record may be large


def read_rows(path: Path, where: str, limit: int, columns: list[str]) -> Iterator[Raw]:
    """The rows in order, each with those of `columns` that the file has. A damaged row group costs its rest, as one entry."""
    with path.open("rb") as stream:  # Python's, so that a disk's error arrives as it was
        try:
            table = _opened(stream)
        except (pa.ArrowException, OSError) as error:
            _raise_a_disks(error)
            yield Raw(f"{where}@0+{path.stat().st_size}", None, "unreadable_rest", str(error)[:500])
            return
        with table:
            number = 0
            for group in range(table.num_row_groups):
                after = number + table.metadata.row_group(group).num_rows
                try:
                    for value in _rows(table, group, columns):
                        yield _raw(f"{where}[{number}]", value, limit)
                        number += 1
                except (pa.ArrowException, OSError) as error:
                    _raise_a_disks(error)
                    detail = f"rows {number:,} to {after - 1:,}: {error}"[:500]
                    yield Raw(f"{where}[{number}]", None, "unreadable_rest", detail)
                number = after


def read_row(path: Path, number: int) -> dict[str, Any]:
    """One row with all its columns. Raises IndexError."""
    with path.open("rb") as stream, _opened(stream) as table:
        begin = 0
        for group in range(table.num_row_groups):
            after = begin + table.metadata.row_group(group).num_rows
            if number < after:
                for value in _rows(table, group, table.schema_arrow.names):
                    if begin == number:
                        return value
                    begin += 1
            begin = after
    raise IndexError(f"{path} has no row {number}")


def _opened(stream: Any) -> pq.ParquetFile:
    # A buffer for each column instead of the whole row group at once.
    return pq.ParquetFile(stream, buffer_size=PIECE, pre_buffer=False, page_checksum_verification=True)


def _rows(table: pq.ParquetFile, group: int, columns: list[str]) -> Iterator[dict[str, Any]]:
    names = table.schema_arrow.names
    there = [name for name in columns if name in names]
    if not there or columns[0] not in there:  # no text: the names alone, to be told from
        for _ in range(table.metadata.row_group(group).num_rows):
            yield dict.fromkeys(names)
        return
    for batch in table.iter_batches(BATCH, row_groups=[group], columns=there, use_threads=False):
        try:
            yield from batch.to_pylist()
        except NO_VALUE:
            yield from (_row(batch, place) for place in range(batch.num_rows))


def _row(batch: pa.RecordBatch, place: int) -> dict[str, Any]:
    try:
        return batch.slice(place, 1).to_pylist()[0]
    except NO_VALUE as error:
        return {"": error}


def _raw(locator: str, value: dict[str, Any], limit: int) -> Raw:
    if isinstance(error := value.get(""), NO_VALUE):
        return Raw(locator, None, "wrong_encoding" if isinstance(error, UnicodeDecodeError) else "damaged", str(error))
    # A character has four bytes at most, so most texts need no second look.
    size = sum(len(text) for text in value.values() if isinstance(text, str))
    if size * 4 > limit and (size := sum(len(text.encode()) for text in value.values() if isinstance(text, str))) > limit:
        return Raw(locator, None, "too_large", f"{size:,} bytes; corpus.max_record_megabytes allows {limit:,}")
    return Raw(locator, value)


def _raise_a_disks(error: Exception) -> None:
    """pyarrow reports damaged data as an OSError without a number; a disk's error has one."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error
