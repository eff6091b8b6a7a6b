"""From a raw record to a document: which fields hold what in each published format, and what makes a record unusable."""

from functools import cache
from typing import Any

import pyarrow as pa

from kun.books.digests import digest
from kun.books.tables import Row
from kun.corpus.normalise import readable
from kun.settings.corpus import Text

SCHEMA = pa.schema(
    [
        ("id", pa.string()),  # of source and normalised text
        ("text", pa.string()),  # what people will read; a title stands in front
        ("title", pa.string()),
        ("category", pa.string()),
        ("locator", pa.string()),
    ]
)

# `question` is the field that shows, where there is no text, that the record is an examination question of WanJuan's Exam-cn.
FIELDS: dict[str, dict[str, str | None]] = {
    "wudao": {"text": "content", "title": "title", "category": "dataType"},
    "wanjuan": {"text": "content", "question": "q_main"},
    "skypile": {"text": "text"},
}


class Unusable(Exception):
    """The record cannot become a document; the first argument is the reason (missing_text | not_text | lone_surrogate | empty)."""

    def __init__(self, reason: str, detail: str = ""):
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def to_document(source: str, fields: dict[str, str | None], value: dict[str, Any], locator: str, how: Text) -> Row:
    """A row of SCHEMA. `fields` maps text, title and category to the record's keys. Raises Unusable."""
    if fields.get("question") in value and not value.get(fields["text"]):
        raw, category = _question(value), "/".join(filter(None, (_words(value, key) for key in ("grade", "major", "keypoint"))))
    else:
        raw, category = _text(value, fields["text"]), _optional(value, fields.get("category"))
    text = readable(raw, how)
    title = _optional(value, fields.get("title"))
    title = readable(title, _of_titles(how)) if title else ""
    if not text:
        raise Unusable("empty")
    if title and not text.startswith(title):
        text = f"{title}\n{text}"
    return {"id": document_id(source, text), "text": text, "title": title, "category": category, "locator": locator}


@cache
def _of_titles(how: Text) -> Text:
    """A title may well be 免责声明; as a line of a text that would be boilerplate."""
    return how.model_copy(update={"boilerplate": False})


def document_id(source: str, text: str) -> str:
    """A record is known by its content: 32 hexadecimal digits of source and text."""
    return digest(source, text)


def _text(value: dict[str, Any], key: str | None) -> str:
    if key not in value:
        raise Unusable("missing_text", f"no field {key!r}; it has {', '.join(sorted(map(str, value)))[:200]}")
    if not isinstance(value[key], str):
        raise Unusable("not_text", f"field {key!r} is {type(value[key]).__name__}")
    return _whole(value[key], key)


def _optional(value: dict[str, Any], key: str | None) -> str:
    found = value.get(key) if key else None
    return _whole(found, key) if isinstance(found, str) else ""


def _whole(text: str, key: str | None) -> str:
    """The text itself. Half a surrogate pair is no character: something was cut or joined there, and no file could hold it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Unusable("lone_surrogate", f"field {key!r} has {text[error.start]!a} at character {error.start}") from None
    return text


def _question(value: dict[str, Any]) -> str:
    """An examination question as one reads it: kind, question, options, answer, explanation; nothing for what is null or empty."""
    question = _words(value, "q_main")
    if not question:
        raise Unusable("not_text" if value["q_main"] and not isinstance(value["q_main"], str) else "empty", "field 'q_main'")
    options = ((letter, _words(value, f"option_{letter.lower()}")) for letter in "ABCDE")
    answer, explanation = _words(value, "std_ans") or _words(value, "answer"), _words(value, "answer_detail")
    lines = [_words(value, "q_type"), question, *(f"{letter}. {option}" for letter, option in options if option)]
    return "\n".join(filter(None, [*lines, answer and f"答案：{answer}", explanation and f"解析：{explanation}"]))


def _words(value: dict[str, Any], key: str) -> str:
    """A field of a question; numbers as they are written, and the parts of a list one after another."""
    found = value.get(key)
    parts = found if isinstance(found, list) else [found]
    words = [str(part) for part in parts if isinstance(part, str | int | float) and not isinstance(part, bool)]
    return _whole("、".join(filter(None, (word.strip() for word in words))), key)
