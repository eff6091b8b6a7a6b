"""Multiple-choice questions in CMMLU's form, out of CSV or JSON lines: one record after the other, and what makes a record unusable.

CSV: a line of names, then Question, A, B, C, D, Answer in any order and case; other columns are ignored. JSON lines: the same fields, or `choices`,
a list of four, in place of A to D. The subject is a field `subject`, or else the file's name without _dev, _val or _test.
"""

import csv
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any
from unicodedata import normalize

import orjson
import pyarrow as pa

from kun.books.digests import digest
from kun.books.tables import Row
from kun.selection.questions import ENDINGS

LETTERS = ("A", "B", "C", "D")
FIELDS = {"question": "question", **{letter.lower(): letter for letter in LETTERS}, "answer": "answer", "subject": "subject"}
NEEDED = ("question", *LETTERS, "answer")
QUESTIONS = pa.schema([(name, pa.string()) for name in ("id", "subject", "question", *LETTERS, "answer", "locator")])


class BadFile(SystemExit):
    """A file is not in the form at all. Ends a program with a message naming the file."""


class BadQuestion(Exception):
    """The record is no usable question; the argument is the reason (damaged | missing_field | empty | no_answer | bad_answer)."""


def read_records(path: Path) -> Iterator[tuple[str, Any]]:
    """(locator, record) of each record; what cannot be taken apart comes as the text or the cells that stand there. Raises BadFile."""
    if path.suffix.lower() not in ENDINGS:
        raise BadFile(f"evaluation: {path}: questions are read from {' and '.join(ENDINGS)} files")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise BadFile(f"evaluation: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise BadFile(f"{path}: not UTF-8 at byte {error.start}; convert it (iconv -f gb18030 -t utf-8)") from None
    yield from _of_csv(path, text) if path.suffix.lower() == ".csv" else _of_lines(path, text)


def _of_csv(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    rows = csv.reader(StringIO(text, newline=""))
    names = [FIELDS.get(name.strip().lower(), "") for name in next(rows, [])]
    if missing := [name for name in NEEDED if names.count(name) != 1]:
        raise BadFile(
            f"{path}: its first line must name the columns Question, A, B, C, D, Answer, once each; see {', '.join(missing)}"
        )
    line = rows.line_num
    for cells in rows:
        locator, line = f"{path}:{line + 1}", rows.line_num
        if cells:  # as many as there are names, or a quote or a comma is one too many
            yield (
                locator,
                {name: cell for name, cell in zip(names, cells, strict=True) if name} if len(cells) == len(names) else cells,
            )


def _of_lines(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError:
                record = line
            if isinstance(record, dict):
                named = {FIELDS[name.strip().lower()]: value for name, value in record.items() if name.strip().lower() in FIELDS}
                choices = record.get("choices")
                if isinstance(choices, list) and len(choices) == len(LETTERS):
                    named |= zip(LETTERS, choices, strict=True)
                record = named
            yield f"{path}:{number}", record


def subject_of(path: Path) -> str:
    return re.sub(r"_(dev|val|test)$", "", path.stem)


def to_question(locator: str, record: Any, subject: str) -> Row:
    """A row of QUESTIONS. Texts stay as they are written, but for white space about them. Raises BadQuestion."""
    if not isinstance(record, dict):
        raise BadQuestion("damaged")
    texts = {name: _text(value) for name, value in record.items()}
    if any(texts.get(name) is None for name in NEEDED):
        raise BadQuestion("missing_field")
    if not all(texts[name] for name in ("question", *LETTERS)):
        raise BadQuestion("empty")
    answer = normalize("NFKC", texts["answer"]).strip().upper()
    if answer not in LETTERS:
        raise BadQuestion("bad_answer" if answer else "no_answer")
    row = {"subject": texts.get("subject") or subject, **{name: texts[name] for name in ("question", *LETTERS)}}
    return {"id": digest(*row.values()), **row, "answer": answer, "locator": locator}


def _text(value: Any) -> str | None:
    """A text or a number as text; None of anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip()
