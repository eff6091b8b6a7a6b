"""ingest: one shard of raw bytes to documents; what cannot be read is kept aside with its locator and the reason."""

import argparse
import reprlib
import sys
from pathlib import Path

import orjson

from kun.books.progress import followed
from kun.books.stage import Stage
from kun.corpus.documents import FIELDS, SCHEMA, Unusable, to_document
from kun.corpus.plan import NoPlan, Shard, read_plan
from kun.corpus.raw import FileChanged, read_raw
from kun.settings.corpus import Text

SHOWN = 10  # records that the message about a bad shard names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="the shard plan, as JSON")
    parser.add_argument("--shard", required=True, help="id of the shard (source/name)")
    parser.add_argument(
        "--fields", type=orjson.loads, default=None, help="for jsonl and parquet: the keys of text, title, category"
    )
    parser.add_argument("--max-record-megabytes", type=int, default=2, help="larger records are put aside unread")
    parser.add_argument("--max-rejected", type=float, default=0.05, help="share of records that may be unusable; 1: all")
    parser.add_argument("--text", type=Text.model_validate_json, default=Text(), help="how texts are cleaned, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="Parquet of documents")
    arguments = parser.parse_args()
    try:
        ingest(_shard(arguments.plan, arguments.shard), arguments)
    except (NoPlan, FileChanged, TooManyRejected) as fault:
        sys.exit(f"ingest {arguments.shard}: {fault}")


def ingest(shard: Shard, arguments: argparse.Namespace) -> None:
    """Raises FileChanged and TooManyRejected; then there is no output."""
    fields = arguments.fields or FIELDS[shard.format]
    columns = [key for name in ("text", "title", "category") if (key := fields.get(name))]
    first_rejected: list[str] = []
    with Stage("ingest", arguments.output, SCHEMA) as stage:

        def reject(locator: str, found: dict[str, str], reason: str, detail: str) -> None:
            stage.fail({"id": "", "locator": locator, **found}, reason, _encodable(detail))
            if len(first_rejected) < SHOWN:
                first_rejected.append(f"{locator}: {reason}")

        for raw in followed(read_raw(shard, arguments.max_record_megabytes * 1_000_000, columns), f"ingest {shard.id()}"):
            stage.take()
            if raw.value is None:
                reject(raw.locator, {"start": raw.start}, raw.reason, raw.detail)
                continue
            try:
                document = to_document(shard.source, fields, raw.value, raw.locator, arguments.text)
            except Unusable as unusable:
                reject(raw.locator, {"value": reprlib.repr(raw.value)}, unusable.reason, unusable.detail)
            else:
                stage.keep(document)
        _check_share(stage, arguments.max_rejected, first_rejected)


class TooManyRejected(Exception):
    """More of a shard's records cannot be used than the configuration allows."""


def _check_share(stage: Stage, allowed: float, first_rejected: list[str]) -> None:
    """An empty file is told of but holds no record, so it does not count here."""
    failed = stage.reasons["failed"]
    empty = failed["empty_file"]
    rejected, records = failed.total() - empty, stage.came_in - empty
    if rejected > allowed * records:
        raise TooManyRejected(
            f"{rejected:,} of {records:,} records cannot be used "
            f"({rejected / records:.1%}; corpus.max_rejected allows {allowed:.1%}). "
            "The first of them:\n  " + "\n  ".join(first_rejected) + "\n"
            "Repair the file, or remove it from the source's folder, or raise corpus.max_rejected; then run `snakemake` again."
        )


def _shard(plan: Path, id: str) -> Shard:
    """Raises NoPlan."""
    for shard in read_plan(plan):
        if shard.id() == id:
            return shard
    raise NoPlan(f"{plan} has no such shard: files have come or gone since it was made; run `snakemake` again, which plans anew")


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


if __name__ == "__main__":
    main()
