"""Kun measured: raw lines to documents, documents to all signals, both written with their ledgers, as the programs of the workflow do."""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

import pyarrow as pa
import pyarrow.parquet as pq
from child import Work, measured

import ingest
import kun.books.tables
import kun.corpus.documents
import kun.signals.measure
import measure
from kun.corpus.plan import Piece, Shard
from kun.settings.corpus import Text
from kun.signals.kenlm_perplexity import load
from kun.signals.language import language_model


def ours(arguments: dict) -> Work:
    """Arguments: text, tokenizer, kenlm (None: no perplexity), into, steps (note the seconds of each)."""
    text, into = Path(arguments["text"]), Path(arguments["into"])
    shard = Shard("text", "text", "jsonl", "utf-8", (Piece(str(text), text.name),))
    documents, signals = into / "documents.parquet", into / "signals.parquet"
    described = {"path": arguments["kenlm"], "fingerprint": "", "normaliser": "kun", "sentencepiece": None}
    model = load(described) if arguments["kenlm"] else None
    measurer = measure.Measurer(measure.token_counter(Path(arguments["tokenizer"]), False), language_model(), model)
    measurer.columns(["0"], ["热身"])  # tables that are made once for a process
    pa.array(["热身"])  # pyarrow imports pandas for its first array of a list
    how = argparse.Namespace(fields={"text": "text"}, max_record_megabytes=8, max_rejected=1.0, text=Text(), output=documents)
    steps: dict[str, float] = {}
    arguments["notes"] = {"steps": steps}
    if arguments.get("steps"):
        watch(steps, measurer)

    def work() -> None:
        ingest.ingest(shard, how)
        measure.measure(documents, measurer, {}, "text", signals)

    return work, lambda: pq.read_table(signals, columns=["perplexity"])["perplexity"].to_pylist() if model else []


def watch(steps: dict[str, float], measurer: measure.Measurer) -> None:
    """From now on, add up the seconds of each step; what is left of the whole is reading lines, rows and columns, and this watching."""
    watched = [
        (kun.corpus.documents, "readable", "clean the text"),
        (kun.books.tables.TableWriter, "_write", "write tables"),
        (measurer, "count_tokens", "tokens"),
        (kun.signals.measure, "compatible", "normal form"),
        (kun.signals.measure, "language", "language"),
        (kun.signals.measure, "fingerprint_columns", "fingerprint and MinHash"),
        (kun.signals.measure, "repeated_grams", "repetition"),
        (kun.signals.measure.pii, "count", "personal numbers"),
    ]
    if measurer.ngrams:
        watched.append((measurer.ngrams, "columns", "perplexity"))
    for owner, name, step in watched:
        setattr(owner, name, timed(getattr(owner, name), steps, step))


def timed(function: Callable, steps: dict[str, float], step: str) -> Callable:
    steps[step] = 0.0

    def wrapped(*arguments: object) -> object:
        start = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            steps[step] += time.perf_counter() - start

    return wrapped


if __name__ == "__main__":
    measured(ours)
