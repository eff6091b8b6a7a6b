"""A program that asks a language model: its arguments, and its requests answered through a store. Used by the roles and by
measure_causal; knows neither.
"""

import argparse
import atexit
import json
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from kun.books.digests import digest_of_value
from kun.completions.ask import ask
from kun.completions.engines import load_engine
from kun.completions.requests import Completion, Request
from kun.completions.spent import Spent, Watched, device_of
from kun.completions.store import Store
from kun.settings.completions import Engine

T = TypeVar("T")


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="the model's description, by locate_model or train_model")
    parser.add_argument("--engine", type=Engine.model_validate_json, required=True, help="the engine section, as JSON")
    parser.add_argument(
        "--gpus", type=int, default=0, help="GPUs that the model is spread over; 0: a CPU, or the one that is there"
    )
    parser.add_argument("--trust-remote-code", action="store_true")
    parser.add_argument("--store", type=Path, required=True, help="folder of the shard's journal of completions")
    parser.add_argument("--name", required=True, help="stage and shard, for the progress shown")


def described_model(arguments: argparse.Namespace) -> dict[str, Any]:
    return json.loads(arguments.model.read_text(encoding="utf-8"))


def answered(
    arguments: argparse.Namespace,
    asked: Iterable[tuple[T, Sequence[Request]]],
    total: int,
    batch: int | None = None,
    **engine_options: Any,
) -> Iterator[tuple[T, list[Completion]]]:
    """Each record with the completions of its requests, in order. What came is kept also when the program is told to end.

    A model that has learnt to answer after a system prompt (`system` in its description) is asked after it.
    """
    model, settings = described_model(arguments), arguments.engine
    if system := model.get("system"):
        asked = ((record, [request.under(system) for request in requests]) for record, requests in asked)
    store = Store(arguments.store, {"settings": digest_of_value(settings.model_dump())})
    spent = Spent()

    def load():
        began = time.monotonic()
        engine = load_engine(model, settings, arguments.trust_remote_code, store, arguments.gpus, **engine_options)
        return Watched(engine, spent, began)

    atexit.register(store.close)  # for an error in what is done with the answers
    signal.signal(signal.SIGTERM, _end)
    try:
        yield from ask(asked, model["fingerprint"], store, load, batch or settings.batch, arguments.name, total)
    finally:
        store.close()
        if spent.answers and (segment := store.own_segment()):
            facts = {
                "engine": settings.name,
                "device": device_of(settings.name),
                "gpus": arguments.gpus,
                "threads": settings.threads,
            }
            spent.write(segment, {**facts, "model": model.get("path")})


def _end(number: int, frame: FrameType | None) -> None:
    """Pre-emption: end by the way of an exception, so that the journal is closed."""
    sys.exit(128 + number)
