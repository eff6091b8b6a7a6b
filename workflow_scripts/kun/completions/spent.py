"""What an engine did in one process: answers, tokens and seconds, written beside the journal's segment when the process ends.

Answers that were known are no part of it, so tokens over seconds is the engine's rate, also in a job that found most answers in its
journal. A process that is killed leaves none; what it answered is in its journal all the same.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from kun.completions.ask import Asked, Engine
from kun.completions.requests import Completion

ENDING = ".spent"  # behind the segment's name


@dataclass
class Spent:
    """`seconds` from the first request to the last answer, `startup` before them."""

    answers: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    seconds: float = 0.0
    startup: float = 0.0

    def write(self, segment: Path, facts: dict[str, str | int | None]) -> None:
        """It only informs, so a disk that takes no more is no error."""
        partial = segment.with_name(segment.name + ENDING + ".partial")
        try:
            partial.write_text(json.dumps({**asdict(self), **facts}, ensure_ascii=False) + "\n", encoding="utf-8")
            partial.rename(segment.with_name(segment.name + ENDING))
        except OSError:
            partial.unlink(missing_ok=True)


class Watched:
    """An engine whose answers are counted on their way through."""

    def __init__(self, engine: Engine, spent: Spent, began: float):
        self.engine, self.spent, self.ready = engine, spent, time.monotonic()
        spent.startup = round(self.ready - began, 3)

    @property
    def hungry(self) -> bool:
        return self.engine.hungry

    def submit(self, batch: list[Asked]) -> None:
        self.engine.submit(batch)

    def finished(self) -> dict[str, Completion]:
        answers = self.engine.finished()
        self.spent.answers += len(answers)
        self.spent.prompt_tokens += sum(answer.prompt_tokens for answer in answers.values())
        self.spent.output_tokens += sum(answer.output_tokens for answer in answers.values())
        self.spent.seconds = round(time.monotonic() - self.ready, 3)
        return answers


def device_of(engine: str) -> str:
    """What the engine computes on, as its maker names it; asks only what is imported already."""
    if engine == "openai":
        return "servers"
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name(0) if torch is not None and torch.cuda.is_available() else "cpu"
