"""Files and archives as streams of plain bytes, opened by their endings. Knows nothing of what the bytes say."""

import gzip
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from backports import zstd

PIECE = 1 << 20
# What damaged data raises. A disk's error is not among them: it ends the job, which may then be tried again.
CORRUPT = (gzip.BadGzipFile, EOFError, zlib.error, zstd.ZstdError, tarfile.TarError)


def unpacked(path: Path) -> Iterator[tuple[str, BinaryIO]]:
    """(member, stream) for each file in an archive, or ("", stream) for a file that is none.

    Each is closed when the next is asked for. Raises one of CORRUPT where the rest cannot be unpacked, also after the last
    stream: an archive's checksum stands at its end.
    """
    with _opened(path) as stream:
        if is_archive(path.name):
            yield from _members(stream)
        else:
            yield "", stream


def is_archive(name: str) -> bool:
    return name.endswith((".tar", ".tar.gz", ".tar.zst"))


def length_of_rest(stream: BinaryIO) -> int:
    """Reads to the end, a piece at a time."""
    return sum(map(len, iter(lambda: stream.read(PIECE), b"")))


def _opened(path: Path) -> BinaryIO:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rb")
    if path.name.endswith(".zst"):
        return zstd.open(path, "rb")
    return path.open("rb")


class _Header(tarfile.TarInfo):
    """tarfile takes a damaged or missing header for the archive's end, and what follows is lost without a word."""

    @classmethod
    def frombuf(cls, *arguments) -> tarfile.TarInfo:
        try:
            found = super().frombuf(*arguments)
            if not 0 <= found.size < 1 << 43:  # tarfile would try to pass over it
                raise tarfile.ReadError(f"archive: a member of {found.size:,} bytes")
            return found
        except tarfile.EOFHeaderError:
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(f"archive: {error}") from None


def _members(stream: BinaryIO) -> Iterator[tuple[str, BinaryIO]]:
    if not stream.peek(1):
        return  # no byte at all: no damage, just nothing
    seen: Counter[str] = Counter()
    # Not "r|gz": tarfile's own decompression raises TypeError for a torn header and does not check gzip's sum.
    with tarfile.open(fileobj=stream, mode="r|", errors="replace", tarinfo=_Header) as archive:
        for member in archive:
            if member.isfile():
                seen[member.name] += 1
                again = f"!{seen[member.name]}" if seen[member.name] > 1 else ""  # tar allows a name twice; a locator does not
                yield member.name + again, archive.extractfile(member)
            archive.members.clear()  # tarfile remembers every header it met
    for rest in iter(lambda: stream.read(PIECE), b""):
        if rest.strip(b"\0"):
            raise tarfile.ReadError("archive: there is more after its end")
