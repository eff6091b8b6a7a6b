"""Ask a model about many records: known answers from the store, the missing ones from the engine, which is loaded only if one is missing.

Records are taken in windows. While a window's answers are on their way the next ones are looked up and handed over, as many as the
engine has a use for, so an engine that computes continuously is never drained; a record comes out when it and all before it are
answered. Within a window, requests are planned into batches by length. The plan depends on the shard's requests alone, not on which of
them are missing, so a run that was killed computes the same batches when it goes on.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from kun.books.progress import meter
from kun.completions.requests import Completion, Request
from kun.completions.store import Store

WINDOW = 4096  # requests of a window, and no more records than that where several ask the same
LARGEST = 16_000_000  # characters of their messages; beyond it a window ends early, so books take no more memory than reviews
AHEAD = 3  # windows in memory at once: one slow answer holds back no more than these
T = TypeVar("T")
Asked = tuple[str, Request]  # with its key, which seeds its chance


class Engine(Protocol):
    """What runs a model. A request that it cannot answer comes back as failed; when the engine itself fails, it raises."""

    @property
    def hungry(self) -> bool:
        """Whether it could use more requests than it has."""
        ...

    def submit(self, batch: list[Asked]) -> None:
        """Take requests of similar length that may be computed together."""
        ...

    def finished(self) -> dict[str, Completion]:
        """Answers by key that have come since the last call, at least one; {} only if nothing was submitted. Those that one call
        returns are kept together: an engine whose answers depend on a batch returns the whole batch."""
        ...


class _Window(Generic[T]):
    def __init__(self) -> None:
        self.records: deque[tuple[T, list[str]]] = deque()
        self.requests: dict[str, Request] = {}
        self.answers: dict[str, Completion] = {}

    def ready(self) -> Iterator[tuple[T, list[Completion]]]:
        """The records at its head whose answers are all there."""
        while self.records and all(key in self.answers for key in self.records[0][1]):
            record, keys = self.records.popleft()
            yield record, [self.answers[key] for key in keys]


def ask(
    asked: Iterable[tuple[T, Sequence[Request]]],
    fingerprint: str,
    store: Store,
    load_engine: Callable[[], Engine],
    batch: int,
    what: str,
    total: int,
) -> Iterator[tuple[T, list[Completion]]]:
    """Each record with the completions of its requests, in the records' order. `total`, of requests, is for the progress shown."""
    engine: Engine | None = None
    coming, more = _windows(asked, fingerprint), True
    windows: deque[_Window[T]] = deque()
    on_their_way: dict[str, list[_Window[T]]] = {}  # key -> the windows that wait for it
    with meter(total, what, "answers") as bar:
        while more or windows:
            while more and len(windows) < AHEAD and (engine is None or engine.hungry or not on_their_way):
                window = next(coming, None)
                if window is None:
                    more = False
                    break
                windows.append(window)
                window.answers = store.read(window.requests)
                bar.update(len(window.answers))
                for keys in _plan(window.requests, batch):
                    missing = [key for key in keys if key not in window.answers]
                    new = [(key, window.requests[key]) for key in missing if key not in on_their_way]
                    for key in missing:
                        on_their_way.setdefault(key, []).append(window)
                    if new:
                        engine = engine or load_engine()
                        engine.submit(new)
                if not on_their_way:
                    break  # all is known: let it out before more is read
            while windows:
                yield from windows[0].ready()
                if windows[0].records:
                    break
                windows.popleft()
            if on_their_way:
                assert engine is not None
                answers = engine.finished()
                if not answers:
                    raise RuntimeError(f"{what}: the engine lost {len(on_their_way)} requests; please report this")
                store.add(answers)
                for key, answer in answers.items():
                    for window in on_their_way.pop(key):
                        window.answers[key] = answer
                bar.update(len(answers))


def _windows(asked: Iterable[tuple[T, Sequence[Request]]], fingerprint: str) -> Iterator[_Window[T]]:
    window: _Window[T] = _Window()
    characters = 0
    for record, requests in asked:
        keys = [request.key(fingerprint) for request in requests]
        window.records.append((record, keys))
        window.requests |= zip(keys, requests, strict=True)
        characters += sum(map(_length, requests))
        if len(window.records) >= WINDOW or len(window.requests) >= WINDOW or characters >= LARGEST:
            yield window
            window, characters = _Window(), 0
    if window.records:
        yield window


def _length(request: Request) -> int:
    return sum(len(message.content) for message in request.messages)


def _plan(requests: dict[str, Request], size: int) -> Iterator[list[str]]:
    """Keys in batches of similar length, so that little is padded; ties by key, so that the plan is one."""
    ordered = sorted(requests, key=lambda key: (_length(requests[key]), key))
    for first in range(0, len(ordered), size):
        yield ordered[first : first + size]
