"""Ask a model about many records: known answers from the store, the missing ones from the engine, which is loaded only if one is missing.

Requests are taken in windows and, within a window, planned into batches by length. The plan depends on the shard's requests alone, not
on which of them are missing, so a run that was killed computes the same batches when it goes on.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from kun.books.progress import meter
from kun.completions.requests import Completion, Request
from kun.completions.store import Store

WINDOW = 4096  # requests held in memory at once
LARGEST = 16_000_000  # characters of their messages; beyond it a window ends early, so books take no more memory than reviews
T = TypeVar("T")


class Engine(Protocol):
    def complete(self, requests: list[Request], seeds: list[int]) -> list[Completion]: ...


def ask(
    asked: Iterable[tuple[T, Request]],
    fingerprint: str,
    store: Store,
    load_engine: Callable[[], Engine],
    batch: int,
    what: str,
    total: int,
) -> Iterator[tuple[T, Completion]]:
    """Each record with its completion, in the records' order. `total` is for the progress shown."""
    engine: Engine | None = None
    with meter(total, what, "records") as bar:
        for window in _windows(asked):
            requests = {request.key(fingerprint): request for _, request in window}
            bar.update(sum(key in store.known for key in requests))
            for keys in _plan(requests, batch):
                missing = [key for key in keys if key not in store.known]
                if not missing:
                    continue
                engine = engine or load_engine()
                chosen = [requests[key] for key in missing]
                answers = engine.complete(chosen, [request.seed(fingerprint) for request in chosen])
                store.add(dict(zip(missing, answers, strict=True)))
                bar.update(len(missing))
            for record, request in window:
                yield record, store.known[request.key(fingerprint)]


def _windows(asked: Iterable[tuple[T, Request]]) -> Iterator[list[tuple[T, Request]]]:
    window: list[tuple[T, Request]] = []
    characters = 0
    for record, request in asked:
        window.append((record, request))
        characters += _length(request)
        if len(window) >= WINDOW or characters >= LARGEST:
            yield window
            window, characters = [], 0
    if window:
        yield window


def _length(request: Request) -> int:
    return sum(len(message.content) for message in request.messages)


def _plan(requests: dict[str, Request], size: int) -> Iterator[list[str]]:
    """Keys in batches of similar length, so that little is padded; ties by key, so that the plan is one."""
    ordered = sorted(requests, key=lambda key: (_length(requests[key]), key))
    for first in range(0, len(ordered), size):
        yield ordered[first : first + size]
