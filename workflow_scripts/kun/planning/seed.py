"""How many tokens the seed pairs have, as far as training goes: all text in their files, whatever its fields are called."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

AT_ONCE = 1000  # texts that are counted together


def tokens_of_seed(files: list[Path], count: Callable[[list[str]], list[int]]) -> int:
    """Of lines of JSON, or of one JSON list; what cannot be read counts nothing, because preparing the seed says what is wrong."""
    tokens, waiting = 0, []
    for file in files:
        for text in _texts(file):
            waiting.append(text)
            if len(waiting) >= AT_ONCE:
                tokens += sum(count(waiting))
                waiting = []
    return tokens + (sum(count(waiting)) if waiting else 0)


def _texts(file: Path) -> Iterator[str]:
    data = file.read_bytes()
    for part in [data] if data.lstrip().startswith(b"[") else data.splitlines():
        try:
            yield from _strings(orjson.loads(part))
        except orjson.JSONDecodeError:
            continue


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)
