"""The shard plan: which pieces of which files are which unit of work. From file names and sizes alone, so it can be made while
Snakemake parses; nothing is opened. Which small files share a shard is decided in packs.py.

A shard's name comes from its file's path below the source, and for a file cut into ranges from the range's number; a pack is named
after the file that begins it, or after the unpacked file before it. Adding, removing or changing a file never renames another file's shards.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from kun.books.digests import digest
from kun.corpus.packs import packed
from kun.settings.corpus import Source

LINES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".jsonl.tar.gz", ".jsonl.tar.zst")
ENDINGS = {
    "wudao": (".json", ".json.gz", ".json.zst"),
    "wanjuan": LINES,
    "skypile": LINES,
    "jsonl": LINES,
    "parquet": (".parquet",),
}
PACK = "pack-"


@dataclass(frozen=True)
class Piece:
    """Bytes [start, end) of a raw file, or all of it where `end` is None."""

    path: str
    relative: str  # the path below the source's folder; locators begin with it
    start: int = 0
    end: int | None = None


@dataclass(frozen=True)
class Shard:
    """A unit of work: a file, a range of one, or a pack of small ones."""

    source: str
    name: str
    format: str
    encoding: str
    pieces: tuple[Piece, ...]

    def id(self) -> str:
        return f"{self.source}/{self.name}"


class NoPlan(Exception):
    """The sources' files cannot be made into shards; the message says which and what to do."""


class NoFiles(NoPlan):
    """A source's folder holds nothing that its format could read."""


class _File(NamedTuple):
    path: str
    relative: str
    size: int


def plan_shards(sources: list[Source], range_bytes: int, pack_bytes: int) -> list[Shard]:
    """All shards in plan order: sources as listed, then the natural order of each shard's first file, then ranges. Raises NoPlan.

    Plain line files above `range_bytes` are cut into ranges; files below `pack_bytes` are packed (0: none is).
    """
    return [shard for source in sources for shard in _shards_of(source, range_bytes, pack_bytes)]


def _shards_of(source: Source, range_bytes: int, pack_bytes: int) -> list[Shard]:
    files = {file.relative: file for file in _files(source)}
    ranges = {name for name, file in files.items() if name.endswith(".jsonl") and file.size > range_bytes}
    small = {name: file.size for name, file in files.items() if file.size < pack_bytes and name not in ranges}

    def shard(name: str, *pieces: Piece) -> Shard:
        return Shard(source.name, name, source.format, source.encoding, pieces)

    def whole(name: str) -> Piece:
        return Piece(files[name].path, name)

    shards, before = [], None
    # A file that is not packed is a border between packs: the plan's order is the files' order, however they are packed.
    for packable, names in groupby(files, key=small.__contains__):
        if packable:
            packs = packed({name: small[name] for name in names}, pack_bytes)
            shards += [shard(_pack_name(first, before, source.format), *map(whole, inside)) for first, inside in packs]
            continue
        for before in names:
            name, file = shard_name(before, ENDINGS[source.format]), files[before]
            if before not in ranges:
                shards.append(shard(name, whole(before)))
                continue
            for number, start in enumerate(range(0, file.size, range_bytes)):
                piece = Piece(file.path, before, start, min(start + range_bytes, file.size))
                shards.append(shard(f"{name}.{number:05d}", piece))
    return shards


def _files(source: Source) -> list[_File]:
    """A source's files in natural order."""
    folder = Path(source.path).expanduser()
    if folder.is_file():
        return [_File(str(folder), folder.name, folder.stat().st_size)]
    endings = ENDINGS[source.format]
    found = [file for path in _below(folder) if path.name.endswith(endings) and (file := _file(source, path, folder))]
    if not found:
        raise NoFiles(f"source {source.name!r}: no file ending in {' or '.join(endings)} below {source.path}")
    # part-1 and part-01 are equal in natural order; the name itself decides then, never the directory's order.
    return sorted(found, key=lambda file: (natural(file.relative), file.relative))


def _below(folder: Path) -> Iterator[Path]:
    """All files below a folder, also behind links to folders (each folder once, so a link back to one above ends). Raises NoPlan for a
    folder that may not be read: its files would be missing without a word."""

    def refuse(error: OSError) -> None:
        raise NoPlan(f"{error.filename} cannot be read ({error.strerror}); allow it or remove it")

    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()  # which of two ways to a folder is taken must not be the directory's choice
        yield from (Path(place, name) for name in names)


def _file(source: Source, path: Path, folder: Path) -> _File | None:
    """None for a folder, or for a file that has just gone."""
    try:
        state = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            raise NoPlan(f"source {source.name!r}: {path} is a link to a file that is not there; restore or remove it") from None
        return None
    relative = path.relative_to(folder).as_posix()
    try:
        relative.encode()
    except UnicodeEncodeError:
        raise NoPlan(
            f"source {source.name!r}: the name of {str(path)!r} is not UTF-8, so nothing can refer to it; rename it"
        ) from None
    return _File(str(path), relative, state.st_size) if stat.S_ISREG(state.st_mode) else None


def shard_name(relative: str, endings: tuple[str, ...]) -> str:
    """A file's path as one flat, harmless name; what had to be replaced or cut is told apart by a digest of the path."""
    ending = max(filter(relative.endswith, endings), key=len, default="")
    stem = relative.removesuffix(ending)
    flat = re.sub(r"[^\w-]+", "_", stem)
    # Two paths may flatten to one name (a/b and a_b, a.jsonl and a.jsonl.gz), and so may a path and a cut file's range or a pack.
    # 60 characters are 180 bytes of Chinese: with a stage's endings they stay below the 255 that file systems allow.
    if flat == stem and len(flat) <= 60 and ending == endings[0] and not flat.startswith(PACK):
        return flat
    return f"{flat[-60:]}-{digest(relative, size=4)}"


def _pack_name(first: str | None, before: str | None, format: str) -> str:
    """The name of a pack that the file `first` begins. Where none does, it is named after the unpacked file before it or is the first
    of all: names that no newcomer in the pack changes."""
    if first is None:
        return PACK + ("first" if before is None else f"after-{digest(before, size=4)}")
    name = shard_name(first, ENDINGS[format])
    return PACK + (f"{name}-{digest(first, size=4)}" if name == "first" or name.startswith("after-") else name)


@cache
def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key in which part-2 comes before part-10."""
    return tuple((0, int(part)) if part.isdigit() and part.isascii() else (1, part) for part in re.split(r"([0-9]+)", name) if part)


# The plan as a file: a JSON list, one shard a line


def plan_as_json(shards: Iterable[Shard]) -> str:
    return "[\n" + ",\n".join(orjson.dumps(asdict(shard)).decode() for shard in shards) + "\n]\n"


def read_plan(path: Path) -> list[Shard]:
    """The shards in plan order. Raises NoPlan."""
    try:
        return [shard_from(entry) for entry in orjson.loads(path.read_bytes())]
    except (ValueError, TypeError, KeyError) as error:
        raise NoPlan(f"{path} is no shard plan ({error}); remove it and run `snakemake` again, which makes it anew") from None


def ids_of_plan(path: Path) -> list[str]:
    """The shards' ids in plan order. Raises NoPlan."""
    return [shard.id() for shard in read_plan(path)]


def shard_from(entry: dict[str, Any]) -> Shard:
    """The shard whose asdict() this is."""
    return Shard(**{**entry, "pieces": tuple(Piece(**piece) for piece in entry["pieces"])})
