"""What the programs of the roles share: their arguments, and asking a described model about records through the shard's store."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kun.books.stage import Stage
from kun.books.tables import Row, count_rows, read_rows
from kun.completions.job import add_engine_arguments, answered, described_model
from kun.completions.requests import Completion, Request
from kun.roles.outcome import Outcome


def arguments_of_role(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--records", type=Path, required=True, help="Parquet of what to ask about")
    add_engine_arguments(parser)
    parser.add_argument("--prompt", type=Path, required=True, help="Jinja file")
    parser.add_argument("--output", type=Path, required=True)
    return parser


def asked(
    arguments: argparse.Namespace,
    stage: Stage,
    to_requests: Callable[[Row], Sequence[Request]],
    each: int = 1,
    **engine_options: Any,
) -> Iterator[tuple[Row, list[Completion], str]]:
    """(record, completions of its requests, the model's fingerprint) for every record, in order; the engine is imported only if an answer is missing.

    Counts the records into the stage, and into its notes their tokens and how many prompts showed only the beginning of a text. `each`:
    how many requests a record has at most, for the progress shown.
    """
    fingerprint = described_model(arguments)["fingerprint"]
    records = ((row, to_requests(row)) for row in read_rows(arguments.records))
    stage.notes |= {"prompt_tokens": 0, "output_tokens": 0, "cut_to_fit": 0}
    for row, completions in answered(arguments, records, each * count_rows(arguments.records), **engine_options):
        stage.take()
        for completion in completions:
            stage.notes["prompt_tokens"] += completion.prompt_tokens
            stage.notes["output_tokens"] += completion.output_tokens
            stage.notes["cut_to_fit"] += completion.cut is not None
        yield row, completions, fingerprint


def settle(stage: Stage, row: Row, outcome: Outcome) -> None:
    """Enter the record under its outcome."""
    if outcome.kind == "parsed":
        stage.keep(row)
    elif outcome.kind == "failed":
        stage.fail(row, outcome.kind, outcome.detail)
    else:
        stage.drop(row, outcome.kind, outcome.detail)
