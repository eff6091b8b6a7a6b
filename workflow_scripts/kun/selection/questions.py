"""A benchmark's questions out of its files: one field of each record, and where it stands. Knows nothing of how they are looked for."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import orjson

from kun.settings.selection import BenchmarkFile

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
ENDINGS = (".csv", ".jsonl")


@dataclass(frozen=True)
class Question:
    file: str  # its name alone: details must not change when a folder is moved
    line: int
    text: str


class BadQuestions(SystemExit):
    """A benchmark's file is not what the settings say. Ends a program with a message naming file, line and what stands there."""


def question_files(named: str) -> list[Path]:
    """The file that is named, or the files of a folder, by name. Raises BadQuestions for a folder without any."""
    path = Path(named).expanduser()
    if not path.is_dir():
        return [path]
    files = sorted(found for found in path.iterdir() if found.suffix.lower() in ENDINGS)
    if not files:
        raise BadQuestions(f"there is no file of questions ({', '.join(ENDINGS)}) in {path}")
    return files


def read_questions(files: list[BenchmarkFile]) -> Iterator[Question]:
    """All questions, in the order of the files and their lines. Raises BadQuestions."""
    for file in files:
        for path in question_files(file.path):
            try:
                data = path.read_bytes().removeprefix(BYTE_ORDER_MARK)
            except OSError as error:
                raise BadQuestions(f"decontamination.benchmarks: cannot read {path}: {error.strerror}") from None
            if not data.strip():
                raise BadQuestions(f"decontamination.benchmarks: there is no question in {path}")
            yield from _of_csv(path, data, file.field) if path.suffix.lower() == ".csv" else _of_lines(path, data, file.field)


def _of_lines(path: Path, data: bytes, field: str) -> Iterator[Question]:
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            yield Question(path.name, number, _question(line, field, f"{path}:{number}"))


def _of_csv(path: Path, data: bytes, field: str) -> Iterator[Question]:
    """The field is a column; upper and lower case of its name do not count."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadQuestions(f"{path}: not UTF-8 at byte {error.start}; convert it (iconv -f gb18030 -t utf-8)") from None
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    rows = csv.reader(StringIO(text, newline=""))
    names = [name.strip().lower() for name in next(rows)]
    if field.lower() not in names:
        raise BadQuestions(f"{path}: there is no column {field!r} in its first line; the columns are {', '.join(map(repr, names))}")
    place, line = names.index(field.lower()), rows.line_num
    for cells in rows:
        number, line = line + 1, rows.line_num
        if len(cells) > place and cells[place].strip():
            yield Question(path.name, number, cells[place])


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
