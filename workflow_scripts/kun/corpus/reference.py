"""Good text that is not measured but measured against: files of it, and samples of documents that depend on content alone."""

from collections.abc import Iterator
from pathlib import Path

import orjson

from kun.books.tables import read_rows


class BadReference(Exception):
    """A file of reference text that cannot be read; the message names the line."""


def texts_of_file(path: Path) -> Iterator[str]:
    """The `text` of each JSON line of a .jsonl file, or the lines of any other. Raises BadReference."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if path.suffix != ".jsonl":
                yield line.rstrip(b"\r\n").decode("utf-8", "replace")
                continue
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError:
                record = None
            if not isinstance(record, dict) or not isinstance(record.get("text"), str):
                raise BadReference(f"{path}:{number}: expected a JSON object with a text in its field 'text'")
            yield record["text"]


def sampled_texts(documents: list[Path], count: int) -> Iterator[str]:
    """The texts whose ids sort first, in the documents' order. An id is a digest of the text: neither shards nor their order choose."""
    import polars as pl

    ids = pl.concat([pl.scan_parquet(path).select("id") for path in documents]).unique().sort("id").head(count).collect()
    chosen = set(ids["id"])
    for path in documents:
        for row in read_rows(path, ["id", "text"]):
            if row["id"] in chosen:
                chosen.discard(row["id"])
                yield row["text"]
