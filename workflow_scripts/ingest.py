"""ingest: one shard of raw bytes to documents; what cannot be read is kept aside with its locator and the reason."""

import argparse
import reprlib
from pathlib import Path

import orjson

from kun.books.progress import followed
from kun.books.stage import Stage
from kun.corpus.documents import FIELDS, SCHEMA, Unusable, to_document
from kun.corpus.plan import Shard
from kun.corpus.raw import read_raw


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shard", type=orjson.loads, required=True, help="the shard plan's entry, as JSON")
    parser.add_argument("--fields", type=orjson.loads, default=None, help="for jsonl: which keys hold text and title, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="Parquet of documents")
    arguments = parser.parse_args()

    shard = Shard(**arguments.shard)
    fields = arguments.fields or FIELDS[shard.format]
    with Stage("ingest", arguments.output, SCHEMA) as stage:
        for raw in followed(read_raw(shard), f"ingest {shard.id()}"):
            stage.take()
            if raw.value is None:
                stage.fail({"id": "", "locator": raw.locator, "start": raw.start}, raw.reason, raw.detail)
                continue
            try:
                stage.keep(to_document(shard.source, fields, raw.value, raw.locator))
            except Unusable as unusable:
                stage.fail({"id": "", "locator": raw.locator, "value": reprlib.repr(raw.value)}, unusable.reason, unusable.detail)


if __name__ == "__main__":
    main()
