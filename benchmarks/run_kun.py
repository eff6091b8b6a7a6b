"""Kun measured: raw lines to documents, documents to all signals, both written with their ledgers, as the programs of the workflow do."""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

import kenlm
import pyarrow.parquet as pq
from child import Work, measured

import ingest
import measure
from kun.corpus.plan import Piece, Shard
from kun.settings.corpus import Text
from kun.signals.language import language_model


def ours(arguments: dict) -> Work:
    """Arguments: text, tokenizer, kenlm (None: no perplexity), into. Notes seconds by step."""
    text, into = Path(arguments["text"]), Path(arguments["into"])
    shard = Shard("text", "text", "jsonl", "utf-8", (Piece(str(text), text.name),))
    documents, signals = into / "documents.parquet", into / "signals.parquet"
    model = kenlm.Model(arguments["kenlm"]) if arguments["kenlm"] else None
    measurer = measure.Measurer(measure.token_counter(Path(arguments["tokenizer"]), False), language_model(), model)
    measurer.columns(["0"], ["热身"])  # tables that are made once for a process
    how = argparse.Namespace(fields={"text": "text"}, max_record_megabytes=8, max_rejected=1.0, text=Text(), output=documents)
    steps: dict[str, float] = {}
    arguments["notes"] = {"steps": steps}

    def work() -> None:
        with Timed(steps, "ingest"):
            ingest.ingest(shard, how)
        with Timed(steps, "measure"):
            measure.measure(documents, measurer, {}, "text", signals)

    return work, lambda: pq.read_table(signals, columns=["perplexity"])["perplexity"].to_pylist() if model else []


class Timed:
    """`with Timed(steps, "name"):` adds the seconds to the name's. A finer breakdown wraps the functions inside in the same way."""

    def __init__(self, steps: dict[str, float], name: str):
        self.steps, self.name = steps, name

    def __enter__(self) -> None:
        self.start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.steps[self.name] = self.steps.get(self.name, 0.0) + time.perf_counter() - self.start


if __name__ == "__main__":
    measured(ours)
