"""Progress with rate and time left: a bar on a terminal, a plain line every few seconds in a log."""

import sys
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

from tqdm import tqdm

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 10
LINE = "{desc}: {n_fmt} of {total_fmt}{unit} · {rate_fmt} · {elapsed} gone, {remaining} left"
LINE_WITHOUT_TOTAL = "{desc}: {n_fmt}{unit} · {rate_fmt} · {elapsed} gone"


class _Lines:
    """tqdm redraws one line with carriage returns; a log wants whole lines."""

    def __init__(self, stream: TextIO):
        self.stream, self.said = stream, ""

    def write(self, text: str) -> None:
        line = text.strip("\r\n ")
        if line and line.partition(" · ")[0] != self.said:  # else there is nothing new since the last line
            self.said = line.partition(" · ")[0]
            self.stream.write(line + "\n")

    def flush(self) -> None:
        self.stream.flush()


def meter(total: int | None, what: str, unit: str) -> tqdm:
    """A counter to `update(n)`; `what` names the job (stage and shard), `unit` the things counted."""
    if sys.stderr.isatty():
        return tqdm(total=total, desc=what, unit=f" {unit}", dynamic_ncols=True)
    return tqdm(
        total=total,
        desc=what,
        unit=f" {unit}",
        file=_Lines(sys.stderr),
        mininterval=SECONDS_BETWEEN_LINES,
        maxinterval=SECONDS_BETWEEN_LINES,
        delay=SECONDS_BETWEEN_LINES / 2,  # a job that is over at once says nothing
        bar_format=LINE_WITHOUT_TOTAL if total is None else LINE,
    )


def followed(items: Iterable[T], what: str, unit: str = "records", total: int | None = None) -> Iterator[T]:
    """The same items, with their passing shown on standard error."""
    with meter(total, what, unit) as bar:
        for item in items:
            yield item
            bar.update()
