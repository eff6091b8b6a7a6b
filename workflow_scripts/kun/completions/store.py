"""The completion store: what a model answered about a shard's records, so that nothing is asked twice.

A store is a journal in a folder of its own. It is read through an index, so its answers are in memory only while they are looked at. A
key that it lacks is looked for in the journals beside it, the source's other shards: a text that has moved to another shard (other
sizes of shards, a renamed file) has its answer there; it is copied. The first answer recorded for a key is the truth: engines do not
promise the same one twice. A failed answer is known only under the settings of the engine that it came under: others may do better.
"""

import os
import threading
import time
from collections.abc import Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from kun.completions.journal import answers_of, halves, lines_for, new_segment, saved_index, scan, segments
from kun.completions.requests import Completion

ANSWERS, SECONDS = 64, 2.0  # at most so many answers, so long, are not on disk yet
MERGED = 65_536  # answers of this process that are indexed one by one before they join the sorted index


class Store:
    """`read` what is known; `add` what came together, which stays together: on disk are all of it or nothing.

    What is added is on disk after 64 answers or two seconds, whichever is first, and at `close`. `engine` (a digest of its `settings`, and
    once it runs its name and versions) goes into each line.
    """

    def __init__(self, folder: Path, engine: Mapping[str, Any] | None = None):
        self.folder, self.engine = folder, dict(engine or {})
        self.segments: list[Path] = []
        self.damaged: set[tuple[int, int]] = set()  # (segment, offset) of lines that turned out to be unreadable
        self._known = _Known()
        self._own: int | None = None  # the number of this process's segment
        self._stream = None
        self._waiting: dict[str, Completion] = {}
        self._since = 0.0
        self._lock = threading.RLock()
        self._fault: OSError | None = None
        self._closed = threading.Event()
        self._others: list[Path] | None = None
        self._open()

    def _open(self) -> None:
        paths = segments(self.folder)
        self.segments += [path for path in paths if path not in self.segments]
        self._known = _Known()
        self._failed: dict[str, Completion] = {}
        for path in paths:
            index, failed = scan(path, self.engine.get("settings"))
            self._known.extend(self.segments.index(path), index, self.damaged)
            self._failed = failed | self._failed

    def __len__(self) -> int:
        with self._lock:
            return len(self._known) + len(self._failed) + len(self._waiting)

    def own_segment(self) -> Path | None:
        """What this process writes to; None where it has written nothing."""
        return self.segments[self._own] if self._own is not None else None

    def read(self, keys: Iterable[str]) -> dict[str, Completion]:
        """The answers that are known among those to `keys`."""
        keys = list(dict.fromkeys(keys))
        with self._lock:
            found = self._read(keys)
            found |= {key: self._waiting[key] for key in keys if key in self._waiting and key not in found}
            found |= {key: self._failed[key] for key in keys if key in self._failed and key not in found}
        if len(found) < len(keys):
            found |= self._adopt([key for key in keys if key not in found])
        return found

    def _read(self, keys: list[str]) -> dict[str, Completion]:
        places = self._known.places(keys)
        by_line: dict[tuple[int, int], list[str]] = {}
        for key, place in zip(keys, places, strict=True):
            if place is not None:
                by_line.setdefault(place, []).append(key)
        found: dict[str, Completion] = {}
        damage = False
        for number, lines in groupby(sorted(by_line.items()), key=lambda line: line[0][0]):
            try:
                with self.segments[number].open("rb") as stream:
                    for place, wanted in lines:
                        try:
                            answers, _ = _line_at(stream, place[1])
                        except ValueError:
                            self.damaged.add(place)
                            damage = True
                            continue
                        found |= {key: answers[key] for key in wanted if key in answers}
            except FileNotFoundError:  # the journal was compacted meanwhile
                damage = True
        if damage:  # a later line may hold what this one should have
            self._open()
            found |= self._read([key for key in keys if key not in found])
        return found

    def _adopt(self, keys: list[str]) -> dict[str, Completion]:
        """Answers from the journals beside this one, which are copied into it."""
        if self._others is None:
            beside = sorted(path for path in self.folder.parent.glob("*/") if path.name != self.folder.name)
            self._others = [segment for folder in beside for segment in segments(folder)]
        found: dict[str, Completion] = {}
        wanted, missing = halves("".join(keys)), set(keys)
        for segment in self._others:
            try:
                index = saved_index(segment)
            except FileNotFoundError:  # compacted meanwhile
                continue
            offsets = np.unique(index[np.isin(index[:, 0], wanted), 1])
            for offset in offsets.tolist():
                try:
                    with segment.open("rb") as stream:
                        answers, engine = _line_at(stream, offset)
                except (ValueError, OSError):
                    continue
                here = {key: answer for key, answer in answers.items() if key in missing}
                if here:
                    self._write(here, engine)
                    found |= here
                    missing -= here.keys()
        return found

    def add(self, answers: Mapping[str, Completion]) -> None:
        """Take up answers that came together. Raises OSError where the disk takes no more."""
        with self._lock:
            if self._fault:
                raise self._fault
            new = {key: answer for key, answer in answers.items() if key not in self._waiting}
            if not new:
                return
            if not self._waiting:
                self._since = time.monotonic()
            self._waiting |= new
            if self._stream is None:
                self._begin()
            if len(self._waiting) >= ANSWERS:
                self.flush()

    def _begin(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = new_segment(self.folder)
        self._stream = path.open("ab", buffering=0)  # so that what a full disk has not taken is not tried again behind our back
        self.segments.append(path)
        self._own = len(self.segments) - 1
        threading.Thread(target=self._flush_in_time, name="journal", daemon=True).start()

    def _flush_in_time(self) -> None:
        """An answer must not wait for the next one to be written."""
        while not self._closed.wait(SECONDS / 4):
            with self._lock:
                if self._waiting and time.monotonic() - self._since >= SECONDS * 3 / 4:
                    try:
                        self.flush()
                    except OSError as fault:
                        self._fault = fault
                        return

    def flush(self) -> None:
        """Write down what waits. Raises OSError."""
        with self._lock:
            if self._waiting:
                self._write(self._waiting, self.engine)
                self._waiting = {}

    def _write(self, answers: Mapping[str, Completion], engine: Mapping[str, Any]) -> None:
        with self._lock:
            if self._stream is None:
                self._begin()
            assert self._stream is not None and self._own is not None
            offset = self._stream.seek(0, os.SEEK_END)
            try:
                left = memoryview(lines_for(answers, engine))
                while left:
                    left = left[self._stream.write(left) :]
                os.fsync(self._stream.fileno())
            except BaseException as fault:  # a signal as well: what is tried again must not stand behind a part of itself
                self._stream.truncate(offset)
                if not isinstance(fault, OSError):
                    raise
                told = f"{fault.strerror}: the model's answers cannot be written; those that were written before are safe"
                raise OSError(fault.errno, told, str(self.folder)) from None
            self._known.add("".join(key for key, answer in answers.items() if answer.finish != "failed"), self._own, offset)
            self._failed |= {key: answer for key, answer in answers.items() if answer.finish == "failed"}

    def close(self) -> None:
        """Write what waits, and the index for those who look in from beside."""
        self._closed.set()
        if self._stream is None or self._stream.closed:
            return
        with self._lock:
            try:
                self.flush()
            finally:
                self._stream.close()
        path = self.segments[self._own]
        saved_index(path)


def _line_at(segment: BinaryIO, offset: int) -> tuple[dict[str, Completion], dict[str, Any]]:
    segment.seek(offset)
    return answers_of(segment.readline())


class _Known:
    """Where the answers are: (segment's number, offset of the line) by the first half of the key. 24 bytes an answer."""

    def __init__(self) -> None:
        self.sorted = np.empty(0, dtype=np.uint64)
        self.where = np.empty((0, 2), dtype=np.uint64)
        self.recent: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self.sorted) + len(self.recent)

    def extend(self, segment: int, index: np.ndarray, without: set[tuple[int, int]]) -> None:
        bad = np.array([offset for number, offset in without if number == segment], dtype=np.uint64)
        index = index[~np.isin(index[:, 1], bad)]
        self._merge(index[:, 0], np.stack([np.full(len(index), segment, dtype=np.uint64), index[:, 1]], axis=1))

    def add(self, keys: str, segment: int, offset: int) -> None:
        for half in halves(keys).tolist():
            self.recent.setdefault(half, (segment, offset))
        if len(self.recent) >= MERGED:
            self._merge(
                np.array(list(self.recent), dtype=np.uint64), np.array(list(self.recent.values()), dtype=np.uint64).reshape(-1, 2)
            )
            self.recent = {}

    def _merge(self, found: np.ndarray, where: np.ndarray) -> None:
        # Of several answers to a key, `unique` keeps the first, and the older ones stand in front.
        if len(self.sorted):
            found, where = np.concatenate([self.sorted, found]), np.concatenate([self.where, where])
        self.sorted, first = np.unique(found, return_index=True)
        self.where = where[first]

    def places(self, keys: list[str]) -> list[tuple[int, int] | None]:
        """(segment, offset) of each key's line, or None."""
        wanted = halves("".join(keys))
        at = np.searchsorted(self.sorted, wanted)
        found: list[tuple[int, int] | None] = []
        for half, place in zip(wanted.tolist(), at.tolist(), strict=True):
            if place < len(self.sorted) and int(self.sorted[place]) == half:
                segment, offset = self.where[place].tolist()
                found.append((segment, offset))
            else:
                found.append(self.recent.get(half))
        return found
