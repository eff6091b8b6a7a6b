"""The completion store: a journal of what a model answered, so that nothing is asked twice.

A journal is a folder of segments; each process appends to a segment of its own, so several may write on a shared file system.
A segment is JSON lines; a line holds the answers of one batch, so a line torn by a kill loses a whole batch, which is then
computed again as it was. The first answer recorded for a key is the truth: engines do not promise the same one twice.
"""

import os
import socket
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from kun.completions.requests import Completion


class Store:
    """`get` what is known; `add` a batch, which is on disk when `add` returns. Engine and version go into each line, for the record.

    A failed answer is known to this run only: the next one asks again, perhaps with other settings of the engine.
    """

    def __init__(self, folder: Path, engine: Mapping[str, Any] | None = None):
        self.folder, self.engine = folder, dict(engine or {})
        self.known: dict[str, Completion] = {}
        self.segment = None
        for path in sorted(folder.glob("*.jsonl")):
            self._load(path)

    def _load(self, path: Path) -> None:
        with path.open("rb") as stream:
            for line in stream:
                try:
                    batch = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue  # torn by a kill: the batch counts as never asked
                for key, answer in batch["answers"].items():
                    answer["logprobs"] = tuple(answer.get("logprobs", ()))
                    self.known.setdefault(key, Completion(**answer))

    def get(self, key: str) -> Completion | None:
        return self.known.get(key)

    def add(self, answers: Mapping[str, Completion]) -> None:
        self.known |= {key: answer for key, answer in answers.items() if key not in self.known}
        answers = {key: answer for key, answer in answers.items() if answer.finish != "failed"}
        if not answers:
            return
        if self.segment is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            name = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{socket.gethostname()}-{uuid.uuid4().hex[:8]}.jsonl"
            self.segment = (self.folder / name).open("ab")
        line = {"engine": self.engine, "answers": {key: asdict(answer) for key, answer in answers.items()}}
        self.segment.write(orjson.dumps(line) + b"\n")
        self.segment.flush()
        os.fsync(self.segment.fileno())

    def close(self) -> None:
        if self.segment is not None:
            self.segment.close()
