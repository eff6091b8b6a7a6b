"""The shard plan: which piece of which file is which unit of work. From file names and sizes alone, so it can be made while Snakemake
parses; nothing is opened.

A shard's name comes from its file's path below the source and, for a file cut into ranges, the range's number: adding, removing or
changing a file never renames another file's shards.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kun.books.digests import digest
from kun.settings.corpus import Source

ENDINGS = {
    "wudao": (".json",),
    "wanjuan": (".jsonl", ".jsonl.gz", ".jsonl.tar.gz"),
    "skypile": (".jsonl", ".jsonl.gz"),
    "jsonl": (".jsonl", ".jsonl.gz"),
}


@dataclass(frozen=True)
class Shard:
    """A piece of a raw file: bytes [start, end) of it, or all of it where `end` is None."""

    source: str
    name: str
    format: str
    path: str
    relative: str  # the path below the source's folder; locators begin with it
    start: int = 0
    end: int | None = None

    def id(self) -> str:
        return f"{self.source}/{self.name}"


class NoFiles(Exception):
    """A source's folder holds nothing that its format could read."""


def plan_shards(sources: list[Source], range_bytes: int) -> list[Shard]:
    """All shards in plan order: sources as listed, then files in natural order of their names, then ranges. Raises NoFiles."""
    return [shard for source in sources for file in _files(source) for shard in _cut(source, file, range_bytes)]


def _files(source: Source) -> list[Path]:
    folder = Path(source.path).expanduser()
    if folder.is_file():
        return [folder]
    found = [path for path in folder.rglob("*") if path.name.endswith(ENDINGS[source.format]) and path.is_file()]
    if not found:
        raise NoFiles(f"source {source.name!r}: no file ending in {' or '.join(ENDINGS[source.format])} below {source.path}")
    # part-1 and part-01 are equal in natural order; the name itself decides then, never the directory's order.
    names = {path.relative_to(folder).as_posix(): path for path in found}
    return [names[name] for name in sorted(names, key=lambda name: (natural(name), name))]


def _cut(source: Source, path: Path, range_bytes: int) -> list[Shard]:
    folder = Path(source.path).expanduser()
    relative = path.name if folder.is_file() else path.relative_to(folder).as_posix()
    name = shard_name(relative, ENDINGS[source.format])
    whole = {"source": source.name, "format": source.format, "path": str(path), "relative": relative}
    size = path.stat().st_size
    if not path.name.endswith(".jsonl") or size <= range_bytes:
        return [Shard(name=name, **whole)]
    starts = range(0, size, range_bytes)
    return [
        Shard(name=f"{name}.{number:05d}", start=start, end=min(start + range_bytes, size), **whole)
        for number, start in enumerate(starts)
    ]


def shard_name(relative: str, endings: tuple[str, ...]) -> str:
    """A file's path as one flat, harmless name; what had to be replaced or cut is told apart by a digest of the path."""
    ending = max(filter(relative.endswith, endings), key=len, default="")
    stem = relative.removesuffix(ending)
    flat = re.sub(r"[^\w-]+", "_", stem)
    # Two paths may flatten to one name (a/b and a_b, a.jsonl and a.jsonl.gz), and so may a path and a cut file's range.
    # 60 characters are 180 bytes of Chinese: with a stage's endings they stay below the 255 that file systems allow.
    if flat == stem and len(flat) <= 60 and ending == endings[0]:
        return flat
    return f"{flat[-60:]}-{digest(relative, size=4)}"


@cache
def natural(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sort key in which part-2 comes before part-10."""
    return tuple((0, int(part)) if part.isdigit() and part.isascii() else (1, part) for part in re.split(r"([0-9]+)", name) if part)
