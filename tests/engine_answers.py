"""Ask an engine directly, without a store: for tests and benchmarks of engines."""

from collections.abc import Sequence

from kun.completions.ask import Engine
from kun.completions.requests import Completion, Request


def complete(engine: Engine, requests: Sequence[Request], fingerprint: str = "m") -> list[Completion]:
    """Completions in the order of `requests`, which are handed over as one batch; their chance is that of a model of this fingerprint."""
    return complete_keyed(engine, requests, [request.key(fingerprint) for request in requests])


def complete_keyed(engine: Engine, requests: Sequence[Request], keys: Sequence[str]) -> list[Completion]:
    """The same under keys of the caller's."""
    engine.submit(list(dict(zip(keys, requests, strict=True)).items()))
    answers: dict[str, Completion] = {}
    while len(answers) < len(set(keys)):
        found = engine.finished()
        assert found, "the engine lost a request"
        answers |= found
    assert engine.finished() == {}
    return [answers[key] for key in keys]
