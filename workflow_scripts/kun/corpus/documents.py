"""From a raw record to a document: which fields hold what in each published format, and what makes a record unusable."""

from typing import Any

import pyarrow as pa

from kun.books.digests import digest
from kun.books.tables import Row
from kun.corpus.normalise import readable

SCHEMA = pa.schema(
    [
        ("id", pa.string()),  # of source and normalised text
        ("text", pa.string()),  # what people will read; a title stands in front
        ("title", pa.string()),
        ("category", pa.string()),
        ("locator", pa.string()),
    ]
)


class Unusable(Exception):
    """The record cannot become a document; the first argument is the reason (missing_text | not_text | empty)."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def to_document(source: str, fields: dict[str, str | None], value: dict[str, Any], locator: str) -> Row:
    """A row of SCHEMA. `fields` maps text, title and category to the record's keys. Raises Unusable."""
    text = readable(_text(value, fields["text"]))
    title = readable(_optional(value, fields.get("title")))
    if not text:
        raise Unusable("empty")
    if title and not text.startswith(title):
        text = f"{title}\n{text}"
    category = _optional(value, fields.get("category"))
    return {"id": document_id(source, text), "text": text, "title": title, "category": category, "locator": locator}


def document_id(source: str, text: str) -> str:
    """A record is known by its content: 32 hexadecimal digits of source and text."""
    return digest(source, text)


FIELDS: dict[str, dict[str, str | None]] = {
    "wudao": {"text": "content", "title": "title", "category": "dataType"},
    "wanjuan": {"text": "content"},
    "skypile": {"text": "text"},
}


def _text(value: dict[str, Any], key: str | None) -> str:
    if key not in value:
        raise Unusable("missing_text", f"no field {key!r}; it has {', '.join(sorted(map(str, value)))[:200]}")
    if not isinstance(value[key], str):
        raise Unusable("not_text", f"field {key!r} is {type(value[key]).__name__}")
    return value[key]


def _optional(value: dict[str, Any], key: str | None) -> str:
    found = value.get(key) if key else None
    return found if isinstance(found, str) else ""
