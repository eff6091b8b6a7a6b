"""Records out of raw files, one at a time, each with a locator or with the reason why it could not be read.

A locator is `file@offset+length` (bytes of the file, or of the member of an archive: `file!member@offset+length`), or
`file[number]` for an element of a JSON array. Nothing here raises for bad data: a damaged record is yielded as such.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import ijson
import orjson

from kun.corpus.plan import Shard

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Raw:
    """What stood at `locator`: an object, or None with the reason (damaged | unreadable_rest), the parser's words and the first bytes."""

    locator: str
    value: dict[str, Any] | None
    reason: str = ""
    detail: str = ""
    start: str = ""


def read_raw(shard: Shard) -> Iterator[Raw]:
    """All records of a shard, in file order."""
    path = Path(shard.path)
    if shard.format == "wudao":
        with path.open("rb") as stream:
            yield from _array(stream, shard.relative)
    elif path.name.endswith(".tar.gz"):
        yield from _archive(path, shard.relative)
    elif path.name.endswith(".gz"):
        with gzip.open(path, "rb") as stream:
            yield from _guarded(_lines(stream, shard.relative), shard.relative)
    else:
        with path.open("rb") as stream:
            yield from _lines(stream, shard.relative, shard.start, shard.end)


def _lines(stream: BinaryIO, where: str, start: int = 0, end: int | None = None) -> Iterator[Raw]:
    """Lines that begin in [start, end): a line belongs to the range that holds its first byte, so each is in exactly one."""
    offset = start
    if start:
        stream.seek(start - 1)
        offset += len(stream.readline()) - 1  # the rest of the line that began before, or just its end
    for line in stream:
        if end is not None and offset >= end:
            return
        if line.strip():
            yield _line(line, f"{where}@{offset}+{len(line)}")
        offset += len(line)


def _line(line: bytes, locator: str) -> Raw:
    try:
        value = orjson.loads(line.removeprefix(BYTE_ORDER_MARK))
    except orjson.JSONDecodeError as error:
        return Raw(locator, None, "damaged", str(error), line[:200].decode("utf-8", "replace"))
    if not isinstance(value, dict):
        return Raw(locator, None, "damaged", "not a JSON object", line[:200].decode("utf-8", "replace"))
    return Raw(locator, value)


def _archive(path: Path, where: str) -> Iterator[Raw]:
    def members() -> Iterator[Raw]:
        # Not "r|gz": tarfile's own decompression raises TypeError for a torn header and does not check gzip's sum.
        with gzip.open(path, "rb") as stream, tarfile.open(fileobj=stream, mode="r|", errors="replace") as archive:
            for member in archive:
                if member.isfile():
                    yield from _lines(archive.extractfile(member), f"{where}!{member.name}")
            while stream.read(1 << 20):  # up to the sum, which stands at the end
                pass

    yield from _guarded(members(), where)


def _guarded(records: Iterator[Raw], where: str) -> Iterator[Raw]:
    """A truncated or corrupt archive ends with one entry for the rest that cannot be read.

    A disk's error is not among them: it ends the job, which may then be tried again.
    """
    count = 0
    try:
        for record in records:
            yield record
            count += 1
    except (gzip.BadGzipFile, EOFError, zlib.error, tarfile.TarError) as error:
        yield Raw(f"{where}[{count}]", None, "unreadable_rest", str(error))


def _array(stream: BinaryIO, where: str) -> Iterator[Raw]:
    """Elements of a top-level JSON array, or of the array under RECORDS."""
    head = stream.read(256)
    mark = len(BYTE_ORDER_MARK) if head.startswith(BYTE_ORDER_MARK) else 0
    array, elements = ("RECORDS", "RECORDS.item") if head[mark:].lstrip().startswith(b"{") else ("", "item")
    stream.seek(mark)
    number = 0
    try:
        for value in ijson.items(stream, elements, use_float=True):
            locator = f"{where}[{number}]"
            yield (
                Raw(locator, value)
                if isinstance(value, dict)
                else Raw(locator, None, "damaged", f"not a JSON object: {type(value).__name__}")
            )
            number += 1
        stream.seek(mark)
        if not number and (array, "start_array", None) not in ijson.parse(stream):
            yield Raw(f"{where}[0]", None, "damaged", "no JSON array, neither at the top nor under RECORDS")
    except (ijson.JSONError, UnicodeDecodeError, ValueError) as error:
        yield Raw(f"{where}[{number}]", None, "unreadable_rest", str(error)[:500])
