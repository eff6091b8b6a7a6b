"""The text that a speed is measured on: any corpora as one file of {text} lines, the same for the same input wherever it lies."""

import heapq
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

from kun.books.digests import digest
from kun.corpus.documents import FIELDS
from kun.corpus.plan import plan_shards
from kun.corpus.raw import read_raw
from kun.settings.corpus import Source
from kun.settings.load import PUBLISHED

LARGEST = 8_000_000  # bytes of a record


def texts_of(paths: list[Path]) -> Iterator[str]:
    """Raw texts, uncleaned, of files of {text} lines, of folders of them, and of folders that hold published corpora by their names."""
    for source in (source for path in paths for source in _sources(path)):
        key = FIELDS.get(source.format, {}).get("text", "text")
        for shard in plan_shards([source], range_bytes=1 << 40, pack_bytes=0):
            for raw in read_raw(shard, LARGEST, [key]):
                text = raw.value.get(key) if raw.value else None
                if isinstance(text, str) and text.strip() and _encodable(text):
                    yield text


def _sources(path: Path) -> list[Source]:
    published = [
        Source(name=name, format=kind, path=str(path / folder))
        for folder, (name, kind) in PUBLISHED.items()
        if (path / folder).is_dir()
    ]
    return published or [Source(name="text", format="jsonl", path=str(path))]


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return True


def write_sample(paths: list[Path], documents: int, at_least: int, into: Path) -> tuple[int, int]:
    """Writes the `documents` texts of `at_least` bytes or more whose digests are smallest, in that order: all corpora mixed, each text once.

    Returns their number, smaller where there are not so many, and their bytes.
    """
    wanted = {text for text in texts_of(paths) if len(text.encode()) >= at_least}
    chosen = heapq.nsmallest(documents, wanted, key=digest)
    with into.open("wb") as stream:
        stream.writelines(orjson.dumps({"text": text}) + b"\n" for text in chosen)
    return len(chosen), sum(len(text.encode()) for text in chosen)
