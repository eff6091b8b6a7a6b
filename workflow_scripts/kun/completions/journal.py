"""A journal on disk: segments of JSON lines, each written by one process, and where in them an answer stands.

A line holds answers that came together:

    {"keys": "<the keys, 32 hexadecimal digits each, in one string>", "answers": [{…}, …], "engine": {…}}

The keys come first and are of one length, so an index is made without reading the answers. A line is written whole or, by a kill or a
full disk, in part; a part has no newline at its end and counts as never written. Failed answers have lines of their own, which begin with
"failed" in place of "keys": they hold only under the engine's settings that they came under.

Beside a closed segment stands `<segment>.index`: its keys and their places, for those who look into many journals.
"""

import os
import socket
import time
import uuid
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from kun.completions.requests import Completion

BEGIN = b'{"keys":"'
FAILED = b'{"failed":"'
DIGITS = 32  # of a key
Index = np.ndarray  # [answers, 2] of uint64: the first half of the key, the offset of the line


def segments(folder: Path) -> list[Path]:
    """The segments of a journal, oldest first: their names begin with the time at which they were begun."""
    return sorted(folder.glob("*.jsonl"))


def new_segment(folder: Path) -> Path:
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
    return folder / f"{stamp}.{nanoseconds:09}-{socket.gethostname()}-{uuid.uuid4().hex[:8]}.jsonl"


def lines_for(answers: Mapping[str, Completion], engine: Mapping[str, Any]) -> bytes:
    """A line of the answers that came together, and one of those that failed, if there are any."""
    failed = {key: answer for key, answer in answers.items() if answer.finish == "failed"}
    given = {key: answer for key, answer in answers.items() if answer.finish != "failed"}
    return (_line("keys", given, engine) if given else b"") + (_line("failed", failed, engine) if failed else b"")


def _line(word: str, answers: Mapping[str, Completion], engine: Mapping[str, Any]) -> bytes:
    stored = [{name: value for name, value in asdict(answer).items() if value not in ((), None)} for answer in answers.values()]
    return orjson.dumps({word: "".join(answers), "answers": stored, "engine": dict(engine)}) + b"\n"


def answers_of(line: bytes) -> tuple[dict[str, Completion], dict[str, Any]]:
    """({key: answer}, engine) of a line of either kind. Raises ValueError for a damaged one."""
    stored = orjson.loads(line)
    try:
        keys = stored["keys"] if "keys" in stored else stored["failed"]
        names = [keys[start : start + DIGITS] for start in range(0, len(keys), DIGITS)]
        if not isinstance(stored["engine"], dict):
            raise TypeError("no engine")
        found = [Completion(**(answer | {"logprobs": tuple(answer.get("logprobs", ()))})) for answer in stored["answers"]]
        return dict(zip(names, found, strict=True)), stored["engine"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a line of a journal: {error}") from None


def lines_of(segment: Path) -> Iterator[tuple[int, bytes]]:
    """(offset, line) of the lines of either kind that were written whole."""
    offset = 0
    with segment.open("rb") as stream:
        for line in stream:
            if line.startswith((BEGIN, FAILED)) and line.endswith(b"}\n"):
                yield offset, line
            offset += len(line)


def halves(keys: str) -> np.ndarray:
    """The first eight bytes of each of some keys: enough to find it by; a line says the whole of it."""
    return np.frombuffer(bytes.fromhex(keys), dtype=">u8")[::2].astype(np.uint64)


def scan(segment: Path, settings: str | None = None) -> tuple[Index, dict[str, Completion]]:
    """Where each answer of a segment stands, in the order of writing; and the answers that failed under these settings of the engine."""
    keys, offsets = bytearray(), array("Q")  # an array for each line would take as long as reading it
    failed: dict[str, Completion] = {}
    for offset, line in lines_of(segment):
        try:
            if line.startswith(BEGIN):
                found = halves(line[len(BEGIN) : line.find(b'"', len(BEGIN))].decode("ascii"))
                keys += found.tobytes()
                offsets.extend([offset] * len(found))
            else:
                answers, engine = answers_of(line)
                failed = answers | failed if engine.get("settings") == settings else failed
        except ValueError:
            continue  # damaged: its answers count as never given
    index = np.empty((len(offsets), 2), dtype=np.uint64)
    index[:, 0] = np.frombuffer(keys, dtype=np.uint64)
    index[:, 1] = np.frombuffer(offsets, dtype=np.uint64)
    return index, failed


def saved_index(segment: Path) -> Index:
    """The same from the file beside the segment, which is made where there is none or the segment has grown since."""
    beside = segment.with_name(segment.name + ".index")
    size = segment.stat().st_size
    try:
        stored = np.load(beside)
        if stored.ndim == 2 and stored[0, 0] == size:
            return stored[1:]
    except (OSError, ValueError, EOFError, IndexError):
        pass  # none yet, or torn
    index, _ = scan(segment)
    save_index(segment, index, size)
    return index


def save_index(segment: Path, index: Index, size: int) -> None:
    """Write the index beside its segment. It only saves time, so a disk that takes no more is no error."""
    partial = segment.with_name(f"{segment.name}.index.{os.getpid()}.partial")
    head = np.array([[size, 0]], dtype=np.uint64)
    try:
        with partial.open("wb") as stream:
            np.save(stream, np.concatenate([head, index]), allow_pickle=False)
        partial.rename(segment.with_name(segment.name + ".index"))
    except OSError:
        partial.unlink(missing_ok=True)
