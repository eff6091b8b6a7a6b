"""Looking after journals: what is in them, one segment in place of many, and answers that are to be asked for again.

Nothing here is needed by a run. A segment is written whole beside the others before any of those goes, so a kill half-way leaves every
answer there, some of them twice.
"""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kun.completions.journal import answers_of, lines_for, lines_of, new_segment, saved_index, segments
from kun.completions.requests import Completion

Line = tuple[dict[str, Completion], dict[str, Any]]  # answers by key, engine


@dataclass
class Contents:
    """What is in some journals."""

    journals: int = 0
    segments: int = 0
    size: int = 0  # bytes
    answers: int = 0
    unreadable: int = 0  # lines that are torn or damaged
    finish: Counter[str] = field(default_factory=Counter)
    engines: Counter[str] = field(default_factory=Counter)

    def add(self, folder: Path) -> None:
        self.journals += 1
        for segment in segments(folder):
            self.segments += 1
            self.size += segment.stat().st_size
            for line in _lines(segment):
                if line is None:
                    self.unreadable += 1
                    continue
                answers, engine = line
                self.answers += len(answers)
                self.finish.update(answer.finish for answer in answers.values())
                versions = [f"{part} {engine[part]}" for part in sorted(engine) if part not in ("name", "settings")]
                name = ", ".join([engine.get("name", "?"), *versions])
                self.engines[name] += len(answers)


def journals(folder: Path) -> list[Path]:
    """The folders at or below this one that hold a journal, by name."""
    return sorted({segment.parent for segment in folder.rglob("*.jsonl")})


def rests(folder: Path, seconds: float) -> bool:
    """Whether nothing was written to a journal for so long: a job that is at work writes every few seconds while answers come."""
    newest = max((segment.stat().st_mtime for segment in segments(folder)), default=0.0)
    return time.time() - newest >= seconds


def compact(folder: Path) -> tuple[int, int]:
    """One segment in place of a journal's many. (answers that were there more than once, unreadable lines), which are gone."""
    return _rewritten(folder, lambda key, answer: True)


def count_finished(folder: Path, finish: str) -> int:
    """How many of a journal's answers finished so."""
    lines = (line for segment in segments(folder) for line in _lines(segment) if line)
    return len({key for answers, _ in lines for key, answer in answers.items() if answer.finish == finish})


def forget(folder: Path, finish: str) -> None:
    """Take out the answers that finished so. The journal is compacted by the way."""
    _rewritten(folder, lambda key, answer: answer.finish != finish)


def _rewritten(folder: Path, stays: Callable[[str, Completion], bool]) -> tuple[int, int]:
    old = segments(folder)
    new = new_segment(folder)
    partial = new.with_name(new.name + ".partial")  # no segment until it is complete
    seen: set[tuple[str, str | None]] = set()
    repeated = unreadable = 0
    try:
        with partial.open("wb") as stream:
            for line in (line for segment in old for line in _lines(segment)):
                if line is None:
                    unreadable += 1
                    continue
                answers, engine = line
                first = {}
                for key, answer in answers.items():
                    known = (key, engine.get("settings") if answer.finish == "failed" else None)
                    repeated += known in seen
                    # Of several answers the first counts, also when it is not to stay: else a later one would come up in its place.
                    if known not in seen and stays(key, answer):
                        first[key] = answer
                    seen.add(known)
                stream.write(lines_for(first, engine))
            stream.flush()
            os.fsync(stream.fileno())
        if partial.stat().st_size:
            partial.rename(new)
            saved_index(new)
    finally:
        partial.unlink(missing_ok=True)
    for segment in old:
        segment.unlink()
        segment.with_name(segment.name + ".index").unlink(missing_ok=True)
    return repeated, unreadable


def _lines(segment: Path) -> Iterator[Line | None]:
    """The lines of a segment; None for one that cannot be read."""
    good = 0
    for offset, line in lines_of(segment):
        if offset > good:
            yield None  # what stands between begins like no line
        good = offset + len(line)
        try:
            yield answers_of(line)
        except ValueError:
            yield None
    if segment.stat().st_size > good:
        yield None
