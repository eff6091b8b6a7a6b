"""The bytes of one record to its JSON object, or the reason why there is none. Knows nothing of files, shards or fields.

orjson is strict and fast. What it refuses is looked at again: Python's parser takes raw control characters in strings (WanJuan's
exam questions have them), NaN, and escaped surrogates without their other half, which documents.py finds in the fields it uses.
"""

import json
from typing import Any, NamedTuple

import orjson

BYTE_ORDER_MARK = {"utf-8": b"\xef\xbb\xbf", "gb18030": b"\x84\x31\x95\x33"}


class Raw(NamedTuple):
    """What stood at `locator`: an object, or None with the reason, words for a person, and the first bytes.

    Reasons: damaged (no JSON) | not_object | nul | wrong_encoding | too_large | cut_off (the file ends inside the record) |
    unreadable_rest (nothing from here on can be read) | empty_file (no record at all).
    """

    locator: str
    value: dict[str, Any] | None
    reason: str = ""
    detail: str = ""
    start: str = ""


class Damage(Exception):
    """No JSON object: a reason of Raw's, and words for a person."""

    def __init__(self, reason: str, detail: str):
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def parse(data: bytes, encoding: str = "utf-8") -> dict[str, Any]:
    """The object that `data` holds. Raises Damage."""
    try:
        value = orjson.loads(data if encoding == "utf-8" else _decoded(data, encoding))
    except ValueError:
        value = _leniently(data, encoding)
    if type(value) is not dict:
        raise Damage("not_object", f"{type(value).__name__} instead of a JSON object")
    return value


def _leniently(data: bytes, encoding: str) -> Any:
    if nul := data.count(0):
        raise Damage("nul", f"{nul} NUL bytes, the first at byte {data.index(0)}; a torn file has such holes")
    try:
        return json.loads(_decoded(data, encoding).removeprefix("\ufeff"), strict=False)
    except RecursionError:
        raise Damage("damaged", "nested too deeply") from None
    except ValueError as error:
        raise Damage("damaged", str(error)) from None


def _decoded(data: bytes, encoding: str) -> str:
    """Raises Damage. UTF-8's surrogates pass: they are no text, but may stand where nobody looks."""
    try:
        text = data.decode(encoding, "surrogatepass" if encoding == "utf-8" else "strict")
    except UnicodeDecodeError as error:
        raise Damage("wrong_encoding", f"byte {error.start} is not {encoding}: {error.reason}") from None
    if encoding != "utf-8" and _is_utf8(data):
        raise Damage("wrong_encoding", f"this is UTF-8; the source's `encoding` says {encoding}")
    return text


def _is_utf8(data: bytes) -> bool:
    """Much UTF-8 passes for GB18030, as other characters; hardly any GB18030 of eight Chinese characters passes for UTF-8."""
    try:
        return len(data) - len(data.decode()) >= 16
    except UnicodeDecodeError:
        return False


def beginning(data: bytes, encoding: str) -> str:
    """The first bytes for a person to look at."""
    return data[:200].decode(encoding, "replace")


def foreign(head: bytes, encoding: str) -> str:
    """The encoding that a file's first bytes show, if it is another than the source's; "" if they do not."""
    # Without a mark: two ASCII characters, every other byte NUL. A single NUL is damage.
    alternating = [bool(byte) for byte in head[:4]] in ([True, False] * 2, [False, True] * 2)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff") or alternating:
        return "UTF-16"
    return "UTF-8" if encoding != "utf-8" and head.startswith(BYTE_ORDER_MARK["utf-8"]) else ""
