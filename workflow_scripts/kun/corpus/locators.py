"""From a locator back to the bytes it names, and to the record in them. See raw.py for what a locator is.

File and member names may hold any of @ + ! [ ], so a locator is read from its right end, and a `!` counts where it divides the name
of a file that is there.
"""

import re
from pathlib import Path
from typing import Any, BinaryIO

from kun.corpus.containers import PIECE, is_archive, unpacked
from kun.corpus.parquet import read_row
from kun.corpus.parse import parse

_BYTES = re.compile(r"(.+)@(\d+)\+(\d+)", re.DOTALL)
_ROW = re.compile(r"(.+)\[(\d+)\]", re.DOTALL)


class NotThere(LookupError):
    """No file, member or record stands where the locator says."""


def read_record(folder: Path, locator: str, format: str, encoding: str = "utf-8") -> dict[str, Any]:
    """The raw record again. `folder` is the source's path. Raises NotThere, and Damage for bytes that hold no record."""
    if format != "parquet":
        return parse(raw_bytes(folder, locator), encoding)
    name, number = _split(_ROW, locator)
    try:
        return read_row(_file(folder, name, locator), int(number))
    except IndexError as error:
        raise NotThere(f"{locator}: {error}") from None


def raw_bytes(folder: Path, locator: str) -> bytes:
    """The bytes that a locator names, also those of a damaged record. Raises NotThere."""
    name, offset, length = _split(_BYTES, locator)
    file, member = _file_and_member(folder, name, locator)
    for found, stream in unpacked(file):
        if found == member:
            _skip(stream, int(offset), member)
            data = stream.read(int(length))
            if len(data) < int(length):
                raise NotThere(f"{locator}: {file} ends before; has it changed?")
            return data
    raise NotThere(f"{locator}: {file} has no member {member!r}")


def _skip(stream: BinaryIO, count: int, member: str) -> None:
    if not member:
        stream.seek(count)
        return
    while count and (piece := stream.read(min(count, PIECE))):  # an archive is a stream that only goes on
        count -= len(piece)


def _split(pattern: re.Pattern[str], locator: str) -> tuple[str, ...]:
    if not (found := pattern.fullmatch(locator)):
        raise NotThere(f"{locator!r} is no locator of this format; see kun/corpus/raw.py")
    return found.groups()


def _file_and_member(folder: Path, name: str, locator: str) -> tuple[Path, str]:
    """An archive's members are always named, other files have none, so at most one way to divide the name fits."""
    places = [place for place, character in enumerate(name) if character == "!"]
    for place in places:
        if is_archive(name[:place]) and (file := _below(folder, name[:place])).is_file():
            return file, name[place + 1 :]
    return _file(folder, name, locator), ""


def _file(folder: Path, name: str, locator: str) -> Path:
    file = _below(folder, name)
    if not file.is_file():
        raise NotThere(f"{locator}: there is no file {file}")
    return file


def _below(folder: Path, name: str) -> Path:
    folder = folder.expanduser()
    return folder.parent / name if folder.is_file() else folder / name
