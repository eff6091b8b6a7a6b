"""How much text the seed pairs are, as far as training goes: all strings in their files, whatever the fields are called."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

AT_ONCE = 1000  # pairs whose tokens are counted together


@dataclass(frozen=True)
class Seed:
    pairs: int = 0
    tokens: int = 0


def read_seed(files: list[Path], count: Callable[[list[str]], list[int]]) -> Seed:
    """Of lines of JSON, or of one JSON list; what cannot be read counts nothing, because preparing the seed says what is wrong."""
    pairs = tokens = 0
    for file in files:
        waiting: list[str] = []
        for pair in _pairs(file):
            pairs += 1
            waiting += _strings(pair)
            if len(waiting) >= AT_ONCE:
                tokens += sum(count(waiting))
                waiting = []
        tokens += sum(count(waiting)) if waiting else 0
    return Seed(pairs, tokens)


def _pairs(file: Path) -> Iterator[dict[str, Any]]:
    data = file.read_bytes()
    for part in [data] if data.lstrip().startswith(b"[") else data.splitlines():
        try:
            found = orjson.loads(part)
        except orjson.JSONDecodeError:
            continue
        yield from (pair for pair in (found if isinstance(found, list) else [found]) if isinstance(pair, dict))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)
