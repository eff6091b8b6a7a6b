"""What the programs of the three roles share: their arguments, and asking a described model through the shard's store."""

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from kun.books.stage import Stage
from kun.books.tables import Row, count_rows, read_rows
from kun.completions.ask import ask
from kun.completions.engines import load_engine
from kun.completions.requests import Completion, Request
from kun.completions.store import Store
from kun.roles.outcome import Outcome
from kun.settings.completions import Engine


def arguments_of_role(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--records", type=Path, required=True, help="Parquet of what to ask about")
    parser.add_argument("--model", type=Path, required=True, help="the model's description, by locate_model or train_model")
    parser.add_argument("--engine", type=Engine.model_validate_json, required=True, help="the engine section, as JSON")
    parser.add_argument("--trust-remote-code", action="store_true")
    parser.add_argument("--prompt", type=Path, required=True, help="Jinja file")
    parser.add_argument("--store", type=Path, required=True, help="folder of the shard's journal of completions")
    parser.add_argument("--name", required=True, help="stage and shard, for the progress shown")
    parser.add_argument("--output", type=Path, required=True)
    return parser


def asked(
    arguments: argparse.Namespace, stage: Stage, to_request: Callable[[Row], Request]
) -> Iterator[tuple[Row, Completion, str]]:
    """(record, completion, the model's fingerprint) for every record, in order; the engine is imported only if an answer is missing.

    Counts the records into the stage and their tokens into its notes.
    """
    model = json.loads(arguments.model.read_text(encoding="utf-8"))

    def load():
        return load_engine(model, arguments.engine, arguments.trust_remote_code, store)

    store = Store(arguments.store)
    requests = ((row, to_request(row)) for row in read_rows(arguments.records))
    total = count_rows(arguments.records)
    tokens = stage.notes = {"prompt_tokens": 0, "output_tokens": 0}
    try:
        for row, completion in ask(requests, model["fingerprint"], store, load, arguments.engine.batch, arguments.name, total):
            stage.take()
            tokens["prompt_tokens"] += completion.prompt_tokens
            tokens["output_tokens"] += completion.output_tokens
            yield row, completion, model["fingerprint"]
    finally:
        store.close()


def settle(stage: Stage, row: Row, outcome: Outcome) -> None:
    """Enter the record under its outcome."""
    if outcome.kind == "parsed":
        stage.keep(row)
    elif outcome.kind == "failed":
        stage.fail(row, outcome.kind, outcome.detail)
    else:
        stage.drop(row, outcome.kind, outcome.detail)
