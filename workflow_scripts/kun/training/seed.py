"""Seed pairs: read, checked, and split by content into those to train on and those held out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa

from kun.books.digests import digest
from kun.books.tables import Row
from kun.corpus.normalise import bare, readable
from kun.settings.corpus import AS_WRITTEN

SCHEMA = pa.schema(
    [("id", pa.string()), ("instruction", pa.string()), ("output", pa.string()), ("held_out", pa.bool_()), ("locator", pa.string())]
)


def read_pairs(path: Path) -> Iterator[tuple[str, Any]]:
    """(locator, value) of each line; the value is None where the line is no JSON."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                try:
                    yield f"{path}:{number}", orjson.loads(line)
                except orjson.JSONDecodeError:
                    yield f"{path}:{number}", None


class BadPair(Exception):
    """The line is no usable pair; the argument is the reason (damaged | missing_field | empty)."""


def to_pair(locator: str, value: Any, held_out: float) -> Row:
    """A row of SCHEMA from an alpaca record; a non-empty `input` goes under the instruction. Raises BadPair."""
    if not isinstance(value, dict):
        raise BadPair("damaged")
    if not all(isinstance(value.get(key), str) for key in ("instruction", "output")) or not isinstance(
        value.get("input") or "", str
    ):
        raise BadPair("missing_field")
    instruction = readable("\n".join(part for part in (value["instruction"], value.get("input") or "") if part), AS_WRITTEN)
    output = readable(value["output"], AS_WRITTEN)
    if not instruction or not output:
        raise BadPair("empty")
    # The split looks at the instruction's content alone: it stays as it is when pairs are added, moved or answered better.
    side = int(digest(bare(instruction), size=4), 16) / 2**32 < held_out
    return {"id": digest(instruction, output), "instruction": instruction, "output": output, "held_out": side, "locator": locator}
