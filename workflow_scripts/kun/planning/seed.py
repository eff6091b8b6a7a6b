"""How much text the seed pairs are, as far as training goes: all strings of their records, whatever the fields are called."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from kun.training.seed_files import read_seed

AT_ONCE = 1000  # strings whose tokens are counted together


@dataclass(frozen=True)
class Seed:
    pairs: int = 0
    tokens: int = 0


def seed_of(files: list[str], limit: int, count: Callable[[list[str]], list[int]]) -> Seed:
    """What cannot be read counts nothing, because preparing the seed says what is wrong. `limit` is of a record's bytes. Raises NoSeedFile."""
    pairs = tokens = 0
    waiting: list[str] = []
    for file in files:
        for raw in read_seed(file, limit):
            if raw.value is None:
                continue
            pairs += 1
            waiting += _strings(raw.value)
            if len(waiting) >= AT_ONCE:
                tokens += sum(count(waiting))
                waiting = []
    return Seed(pairs, tokens + (sum(count(waiting)) if waiting else 0))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)
