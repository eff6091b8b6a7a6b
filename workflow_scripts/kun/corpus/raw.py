"""A shard's records, one at a time, each with its locator or with the reason why it could not be read.

A locator is `file@offset+length` in bytes of the file as unpacked, `file!member@offset+length` in an archive, `file[number]` for a
row of Parquet; locators.py finds the record again. Nothing here raises for bad data; a disk's error and a file that has gone do end
the job.
"""

from collections.abc import Iterator
from pathlib import Path

from kun.corpus.arrays import read_array
from kun.corpus.containers import CORRUPT, length_of_rest, unpacked
from kun.corpus.lines import read_lines
from kun.corpus.parquet import read_rows
from kun.corpus.parse import Raw, foreign
from kun.corpus.plan import Piece, Shard


class FileChanged(Exception):
    """A raw file is not what the shard plan says; the message names it and says what to do."""


def read_raw(shard: Shard, limit: int, columns: list[str]) -> Iterator[Raw]:
    """All records of a shard, in order of its files. Raises FileChanged.

    `limit` is of a record's bytes; `columns` are those read of Parquet, the text's first.
    """
    for piece in shard.pieces:
        size = _size(piece)
        records = _guarded(_records(shard, piece, limit, columns), piece.relative) if size else iter(())
        first = next(records, None)
        if first is not None:
            yield first
            yield from records
        elif piece.start == 0 and piece.end is None:
            yield Raw(f"{piece.relative}@0+0", None, "empty_file", f"{size} bytes, no record")


def _size(piece: Piece) -> int:
    """Raises FileChanged."""
    again = "run `snakemake` again, which plans anew"
    try:
        size = Path(piece.path).stat().st_size
    except FileNotFoundError:
        raise FileChanged(f"{piece.path} was there when the shards were planned and is gone; restore it or {again}") from None
    if piece.end is not None and size < piece.end:
        raise FileChanged(f"{piece.path} has {size:,} bytes, fewer than when the shards were planned ({piece.end:,}); {again}")
    return size


def _records(shard: Shard, piece: Piece, limit: int, columns: list[str]) -> Iterator[Raw]:
    path = Path(piece.path)
    if shard.format == "parquet":
        yield from read_rows(path, piece.relative, limit, columns)
        return
    for member, stream in unpacked(path):
        where = f"{piece.relative}!{member}" if member else piece.relative
        if seen := foreign(stream.peek(4)[:4], shard.encoding):
            length = length_of_rest(stream) if piece.end is None else piece.end - piece.start
            detail = f"the file is {seen}, not {shard.encoding}; convert it with iconv, or set the source's `encoding`"
            yield Raw(f"{where}@{piece.start}+{length}", None, "wrong_encoding", detail)
        elif shard.format == "wudao":
            yield from read_array(stream, where, limit, shard.encoding)
        else:
            yield from read_lines(stream, where, limit, shard.encoding, piece.start, piece.end)


def _guarded(records: Iterator[Raw], where: str) -> Iterator[Raw]:
    """A truncated or corrupt archive ends with one entry for the rest that cannot be read; its length is not known, so it is 0."""
    last = f"{where}@0+0"
    try:
        for record in records:
            yield record
            last = record.locator
    except CORRUPT as error:
        name, _, place = last.rpartition("@")
        yield Raw(f"{name}@{sum(map(int, place.split('+')))}+0", None, "unreadable_rest", str(error))
