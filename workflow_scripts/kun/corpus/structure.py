"""The structure of JSON in a stream: where an element ends, by strings and brackets alone. Parses nothing and reports nothing.

It holds a window of the stream, addressed by offsets. One mark helps where brackets and quotes are damaged: the beginning of an
object with its key, `{"id":`, cannot stand inside a string, and in sound JSON only within a list or behind a colon. Where it stands
at another place, something before it is broken.
"""

import re
from typing import BinaryIO, NamedTuple

from kun.corpus.containers import CORRUPT

QUOTE, COMMA, COLON, LIST, END_OF_LIST, OBJECT, END_OF_OBJECT = b'",:[]{}'
# The quote could be the last of a string that ends in { but then a comma, colon or bracket would follow it.
_OBJECT_WITH_KEY = re.compile(rb'\{(?=\s{0,99}"(?!\s{0,99}[,:}\]])[^"]{0,99}"\s{0,99}:)')
_WIDEST_MARK = 512  # bytes; more than the pattern can match
_LAST_BRACE = re.compile(rb"\}(?=\s*\]\s*\}?\s*\Z)")
_SPACE = re.compile(rb"[ \t\r\n]*+")
_SCALAR = re.compile(rb'[^\s,{}\[\]"]*+')


def _patterns(inside: bytes) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """What goes on up to the next bracket or unfinished string, and what goes on within a string. Possessive, so linear in time."""
    between = rb'[^"{}\[\]]*+'
    return re.compile(between + rb'(?:"' + inside + rb'"' + between + rb")*+", re.DOTALL), re.compile(inside, re.DOTALL)


_PATTERNS = {
    "utf-8": _patterns(rb'[^"\\]*+(?:\\.[^"\\]*+)*+'),
    # A character's second byte may be that of a bracket or a backslash. Two such pairs are a character of four bytes.
    "gb18030": _patterns(rb'(?:[^"\\\x81-\xfe]++|(?:[\x81-\xfe][0-9@-~\x80-\xfe])++|[\x81-\xfe](?=[^0-9@-~\x80-\xfe])|\\.)*+'),
}


class Span(NamedTuple):
    """What begins at an offset and goes on to `end`: closed, broken (a new object begins within it), or ended with the stream."""

    end: int
    state: str
    data: bytes | None  # None if it is over the limit
    head: bytes  # its first bytes


class Structure:
    """A window of `stream`, read `chunk` bytes at a time; offsets are of the stream."""

    def __init__(self, stream: BinaryIO, encoding: str, chunk: int):
        self.stream, self.chunk = stream, chunk
        self.outside, self.inside = _PATTERNS[encoding]
        self.held, self.base, self.ended = b"", 0, False
        self.fault: Exception | None = None  # what the stream raised, kept until what came before it is used up
        self.mark, self.searched = -1, 0  # the last one found, and up to where there is no later one

    def sign(self, at: int) -> tuple[int, int | None]:
        """The next byte at or after `at` that is no space, and its offset; None at the stream's end."""
        while True:
            at = _SPACE.match(self.held, at - self.base).end() + self.base
            if at < self.base + len(self.held):
                return at, self.held[at - self.base]
            if self.ended:
                return at, None
            self._more(at)

    def begins_with(self, prefix: bytes) -> bool:
        while len(self.held) < len(prefix) and not self.ended:
            self._more(0)
        return self.held.startswith(prefix)

    def first(self, at: int) -> bytes:
        """Bytes for a person to look at, if they are still held."""
        return self.held[at - self.base : at - self.base + 200] if at >= self.base else b""

    def span(self, start: int, limit: int, within: bytes = b"") -> Span:
        """The value that begins at `start`, or the rest of the value whose opening brackets are `within`.

        More than `limit` bytes are passed over without being held.
        """
        at, brackets, in_string, head = start, bytearray(within), False, b""
        if not within:
            sign = self.held[at - self.base]
            if sign not in b'"[{':
                return self._scalar(start, limit)
            in_string = sign == QUOTE
            at += in_string
        while True:
            mark = self._mark_from(max(at, start + 1))
            # What makes a mark may not all be here yet, so the last bytes wait for more.
            stop = mark if mark is not None else self.base + len(self.held) - (0 if self.ended else _WIDEST_MARK)
            while at < stop:
                pattern = self.inside if in_string else self.outside
                at = pattern.match(self.held, at - self.base, stop - self.base).end() + self.base
                if at >= stop:
                    break
                sign = self.held[at - self.base]
                if sign == QUOTE:
                    in_string = not in_string
                elif in_string:
                    break  # a character or an escape that goes on beyond the stop
                elif sign in b"[{":
                    brackets.append(sign)
                elif brackets:
                    brackets.pop()
                at += 1
                if not brackets and not in_string:
                    return self._span(start, at, "closed", limit, head)
            if mark is not None:
                if in_string or (brackets[-1] == OBJECT and self._before(start, mark) != COLON):
                    return self._span(start, self._trimmed(start, mark), "broken", limit, head)
                brackets.append(OBJECT)
                at = mark + 1
            elif self.ended:
                return self._span(start, self.base + len(self.held), "ended", limit, head)
            else:
                head = self.first(start) or head
                self._more(start if at - start <= limit else at)

    def _scalar(self, start: int, limit: int) -> Span:
        at, head = start, self.first(start)
        while True:
            at = _SCALAR.match(self.held, at - self.base).end() + self.base
            if at < self.base + len(self.held) or self.ended:
                state = "closed" if at < self.base + len(self.held) else "ended"
                return self._span(start, at, state, limit, head)
            self._more(start if at - start <= limit else at)

    def _span(self, start: int, end: int, state: str, limit: int, head: bytes) -> Span:
        held = start >= self.base and end - start <= limit
        data = self.held[start - self.base : end - self.base] if held else None
        return Span(end, state, data, self.first(start) or head)

    def next_object(self, at: int) -> int | None:
        """Where what stands before the next object ends, or the array's last object; None if neither is there.

        `at` is a place in the window.
        """
        begin = at
        self.mark, self.searched = -1, at  # a span may have looked further already
        while (mark := self._mark_from(at)) is None:
            if self.ended:
                last = _LAST_BRACE.search(self.held, max(at - 1 - self.base, 0))
                return last and last.end() + self.base
            at = max(at, self.base + len(self.held) - _WIDEST_MARK)
            self._more(at - min(at - begin, _WIDEST_MARK))
        return self._trimmed(begin, mark)

    def _trimmed(self, begin: int, end: int) -> int:
        """`end` without the space and commas before it."""
        begin = max(begin, self.base)
        return begin + len(self.held[begin - self.base : end - self.base].rstrip(b", \t\r\n"))

    def _before(self, begin: int, at: int) -> int | None:
        """The last byte in [begin, at) that is no space."""
        return (self.held[max(begin, at - _WIDEST_MARK, self.base) - self.base : at - self.base].rstrip() or [None])[-1]

    def length(self) -> int:
        """The offset of the stream's end; what is read is not kept."""
        while not self.ended:
            self._more(self.base + len(self.held))
        return self.base + len(self.held)

    def _mark_from(self, at: int) -> int | None:
        """The first mark at or after `at`, as far as the window goes."""
        if self.mark < at:
            begin = max(at, self.searched)
            found = _OBJECT_WITH_KEY.search(self.held, begin - self.base)
            if not found:
                self.searched = max(begin, self.base + len(self.held) - _WIDEST_MARK)
                return None
            self.mark = found.start() + self.base
        return self.mark

    def _more(self, keep: int) -> None:
        """Read on, at least as much as is kept, so that a long element is not copied over and over."""
        pieces = [self.held[keep - self.base :]]
        wanted = max(self.chunk, len(pieces[0]))
        try:
            if self.fault:
                raise self.fault
            while wanted > 0 and (piece := self.stream.read1(wanted)):
                pieces.append(piece)
                wanted -= len(piece)
            self.ended = wanted > 0
        except CORRUPT as fault:  # what came before it first
            if len(pieces) == 1:
                raise
            self.fault = fault
        self.base, self.held = keep, b"".join(pieces)
