"""Texts from files of a person's own choice: what a model is trained on, or percentiles are taken of."""

from collections.abc import Iterator
from pathlib import Path

import orjson


class BadReference(SystemExit):
    """A line that holds no text. Ends a program with a message naming file and line."""


def texts_of_file(path: Path) -> Iterator[str]:
    """The `text` of JSON lines (.jsonl), or the lines of any other file. Raises BadReference."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if path.suffix != ".jsonl":
                yield line.decode("utf-8", "replace")
                continue
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError:
                record = None
            if not isinstance(record, dict) or not isinstance(record.get("text"), str):
                raise BadReference(f"{path}:{number}: expected a JSON object with a text in its field 'text'")
            yield record["text"]
