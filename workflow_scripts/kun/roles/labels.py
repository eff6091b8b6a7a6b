"""What people said of instructions: files of JSON lines, one record a line, against which a judge is measured.

{"instruction": …, "good": true or false, "kind": …, "output": …}: `kind` says why it is bad, or what makes it hard, and may be left out;
`output` (or `text`) is the answer, for a judge of pairs. A set is small and made by hand, so damage is an error that names the line.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import orjson
import pyarrow as pa

from kun.books.digests import digest
from kun.books.tables import Row
from kun.corpus.normalise import bare, readable
from kun.settings.corpus import AS_WRITTEN

LABELS = pa.schema(
    [
        ("id", pa.string()),
        ("instruction", pa.string()),
        ("text", pa.string()),  # the answer, for a judge of pairs; else null
        ("good", pa.bool_()),
        ("kind", pa.string()),  # null where nothing is said
        ("locator", pa.string()),  # file:line
    ]
)
JUDGED = pa.schema([*LABELS, ("score", pa.float64()), ("score_outside", pa.float64()), ("point_model", pa.string())])
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class BadLabels(SystemExit):
    """A labelled file cannot be used. Ends a program with a message naming file, line and what is wrong there."""


def read_labels(files: list[Path], target: Literal["instruction", "pair"]) -> Iterator[Row]:
    """Rows of LABELS, in the order of the files and their lines. Raises BadLabels, also where all are good or all are bad.

    Texts are made readable as a model's instructions are, so that the judge sees them as it would see those.
    """
    seen: dict[str, str] = {}  # what is judged, bare -> where it stands first
    labels: set[bool] = set()
    for path in files:
        try:
            lines = path.expanduser().read_bytes().removeprefix(BYTE_ORDER_MARK).split(b"\n")
        except OSError as error:
            raise BadLabels(f"score.labelled: cannot read {path}: {error.strerror}") from None
        for number, line in enumerate(lines, start=1):
            if line.strip():
                row = _row(line, target, f"{path}:{number}")
                judged = bare(row["instruction"] + (row["text"] or ""))
                if first := seen.get(judged):
                    raise BadLabels(f"{row['locator']}: the same as {first}; it would count twice")
                seen[judged] = row["locator"]
                labels.add(row["good"])
                yield row
    if len(labels) < 2:
        held = "nothing" if not labels else "good ones only" if labels == {True} else "bad ones only"
        named = ", ".join(map(str, files))
        raise BadLabels(f"score.labelled: {named} holds {held}; a judge is measured by how it tells good ones from bad ones")


def _row(line: bytes, target: str, where: str) -> Row:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadLabels(f"{where}: not readable as JSON ({error})") from None
    if not isinstance(record, dict):
        raise BadLabels(f"{where}: expected a JSON object with the fields instruction and good, not a {type(record).__name__}")
    instruction = _text(record, "instruction", where)
    text = None
    if target == "pair":
        field = "output" if "output" in record else "text"
        if field not in record:
            raise BadLabels(
                f"{where}: no field 'output' (or 'text'): `score.target: pair` judges an instruction with its answer, so people must have "
                "judged both; for instructions alone write `target: instruction`"
            )
        text = _text(record, field, where)
    if not isinstance(record.get("good"), bool):
        found = repr(record["good"]) if "good" in record else f"the fields are {_names(record)}"
        raise BadLabels(f"{where}: the field 'good' must be true or false ({found:.80})")
    if not isinstance(record.get("kind"), str | None):
        raise BadLabels(f"{where}: the field 'kind' must be a word ({record['kind']!r:.80})")
    row = {"instruction": instruction, "text": text, "good": record["good"], "kind": record.get("kind") or None, "locator": where}
    return {"id": digest(instruction, text or ""), **row}


def _text(record: dict[str, Any], field: str, where: str) -> str:
    if field not in record:
        raise BadLabels(f"{where}: there is no field {field!r}; the fields are {_names(record)}")
    text = readable(record[field], AS_WRITTEN) if isinstance(record[field], str) else ""
    if not text:
        raise BadLabels(f"{where}: the field {field!r} must hold a text ({record[field]!r:.80})")
    return text


def _names(record: dict[str, Any]) -> str:
    return ", ".join(map(repr, record)) or "none"
