"""A benchmark's questions out of its file: one field of each line, and where it stands. Knows nothing of how they are looked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import orjson

from kun.settings.selection import BenchmarkFile

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Question:
    file: str  # its name alone: details must not change when a folder is moved
    line: int
    text: str


class BadQuestions(SystemExit):
    """A benchmark's file is not what the settings say. Ends a program with a message naming file, line and what stands there."""


def read_questions(files: list[BenchmarkFile]) -> Iterator[Question]:
    """All questions, in the order of the files and their lines. Raises BadQuestions."""
    for file in files:
        path = Path(file.path).expanduser()
        try:
            lines = path.read_bytes().removeprefix(BYTE_ORDER_MARK).splitlines()
        except OSError as error:
            raise BadQuestions(f"decontamination.benchmarks: cannot read {path}: {error.strerror}") from None
        if not any(map(bytes.strip, lines)):
            raise BadQuestions(f"decontamination.benchmarks: there is no question in {path}")
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield Question(path.name, number, _question(line, file.field, f"{path}:{number}"))


def _question(line: bytes, field: str, where: str) -> str:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadQuestions(f"{where}: not readable as JSON ({error})") from None
    if not isinstance(record, dict):
        raise BadQuestions(f"{where}: expected a JSON object with a question in its field {field!r}, not a {type(record).__name__}")
    if field not in record:
        raise BadQuestions(f"{where}: there is no field {field!r}; the fields are {', '.join(map(repr, record)) or 'none'}")
    if not isinstance(record[field], str):
        kind = type(record[field]).__name__
        texts = ", ".join(repr(name) for name, value in record.items() if isinstance(value, str)) or "none"
        raise BadQuestions(f"{where}: the field {field!r} holds a {kind}, not a text; fields with a text are {texts}")
    return record[field]
