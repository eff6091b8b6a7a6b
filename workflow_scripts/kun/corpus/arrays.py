"""Records that are elements of one JSON array, at the top of a file or under RECORDS. Knows a stream, no files.

structure.py says where an element ends; its bytes go to the parser alone. So damage costs its own element: where one is broken,
reading goes on with the next object that can be told for sure.
"""

from collections.abc import Iterator
from typing import Any, BinaryIO

from kun.corpus.containers import PIECE
from kun.corpus.parse import BYTE_ORDER_MARK, Damage, Raw, beginning, parse
from kun.corpus.structure import COLON, COMMA, END_OF_LIST, END_OF_OBJECT, LIST, OBJECT, QUOTE, Span, Structure


def read_array(stream: BinaryIO, where: str, limit: int, encoding: str = "utf-8", chunk: int = PIECE) -> Iterator[Raw]:
    """The array's elements in order, and what is wrong with it. `limit` is of an element's bytes, `chunk` of a read."""
    text = Structure(stream, encoding, chunk)
    mark = BYTE_ORDER_MARK[encoding]
    at, sign = text.sign(len(mark) if text.begins_with(mark) else 0)
    if sign is None:
        return
    head, wrapped, expected = text.first(at), sign == OBJECT, sign in (LIST, OBJECT)
    # Neither: the beginning is torn off, and elements may follow.
    at = _array_under_records(text, at, limit) if wrapped else at + expected
    if at is None:
        detail = "no JSON array, neither at the top nor under RECORDS"
        yield Raw(f"{where}@0+{text.length()}", None, "unreadable_rest", detail, beginning(head, encoding))
        return
    while True:
        start, sign = text.sign(at)
        if sign == COMMA:
            at, expected = start + 1, True
            continue
        if sign is None or sign == END_OF_LIST:
            yield from _after_the_last(text, where, start, sign, wrapped, encoding)
            return
        if sign == OBJECT or (expected and sign != END_OF_OBJECT):
            span = text.span(start, limit)
        else:
            span = Span(start, "misplaced", text.first(start), text.first(start))
        at, expected = span.end, False
        try:
            value = _value(span, limit, encoding)
        except Damage as damage:
            reason, detail = damage.reason, damage.detail
        else:
            yield Raw(f"{where}@{start}+{at - start}", value)
            continue
        # A broken one ends where the next object begins, one that is no object or too large where its brackets say.
        if span.state != "broken" and reason not in ("not_object", "too_large"):
            # A closed one may have closed at a bracket of its text, so its own end counts only where an object follows.
            at = text.next_object(at if span.state == "closed" else start + 1)
            if at is None and span.state != "closed":
                reason = "cut_off" if span.state == "ended" else "unreadable_rest"
        end = text.length() if at is None else at
        yield Raw(f"{where}@{start}+{end - start}", None, reason, detail, beginning(span.head, encoding))
        if at is None:
            return


def _value(span: Span, limit: int, encoding: str) -> dict[str, Any]:
    """Raises Damage."""
    if span.data is None:
        raise Damage("too_large", f"corpus.max_record_megabytes allows {limit:,} bytes")
    if span.state == "misplaced":
        raise Damage("damaged", "neither a comma nor the array's end before it")
    return parse(span.data, encoding)


def _array_under_records(text: Structure, at: int, limit: int) -> int | None:
    """The offset behind the bracket that opens the array, or None; `at` is that of the file's brace.

    Keys before it are passed over.
    """
    at, sign = text.sign(at + 1)
    while sign == QUOTE:
        key = text.span(at, limit)
        at, colon = text.sign(key.end)
        at, sign = text.sign(at + 1)
        if colon != COLON or sign is None:
            return None
        if key.data == b'"RECORDS"' and sign == LIST:
            return at + 1
        at, sign = text.sign(text.span(at, limit=0).end)
        if sign == COMMA:
            at, sign = text.sign(at + 1)
    return None


def _after_the_last(text: Structure, where: str, at: int, sign: int | None, wrapped: bool, encoding: str) -> Iterator[Raw]:
    """What is wrong with the array's end."""
    if sign is None:
        yield Raw(f"{where}@{at}+0", None, "cut_off", "the file ends before its array does")
        return
    at += 1
    if wrapped:
        rest = text.span(at, 0, within=b"{")
        if rest.state != "closed":
            yield Raw(f"{where}@{at}+{text.length() - at}", None, "cut_off", "the file ends before its object does")
            return
        at = rest.end
    at, sign = text.sign(at)
    if sign is not None:
        head = text.first(at)
        detail = "there is more after the array's end"
        yield Raw(f"{where}@{at}+{text.length() - at}", None, "unreadable_rest", detail, beginning(head, encoding))
