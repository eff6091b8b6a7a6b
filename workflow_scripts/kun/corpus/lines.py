"""Records that are lines of JSON. Knows a stream and a range of it, no files."""

from collections.abc import Iterator
from typing import BinaryIO

from kun.corpus.containers import PIECE
from kun.corpus.parse import BYTE_ORDER_MARK, Damage, Raw, beginning, parse


def read_lines(
    stream: BinaryIO, where: str, limit: int, encoding: str = "utf-8", start: int = 0, end: int | None = None
) -> Iterator[Raw]:
    """Lines that begin in [start, end): a line belongs to the range that holds its first byte, so each is in exactly one.

    A line longer than `limit` bytes is passed over in pieces. A blank line is no record.
    """
    offset = start
    if start:
        stream.seek(start - 1)
        offset += _rest_of_line(stream) - 1  # what is left of the line that began before, or just its end
    while end is None or offset < end:
        line = stream.readline(limit + 1)
        if not line:
            return
        size = len(line)
        if size > limit:
            size += 0 if line.endswith(b"\n") else _rest_of_line(stream)
            detail = f"{size:,} bytes; corpus.max_record_megabytes allows {limit:,}"
            yield Raw(f"{where}@{offset}+{size}", None, "too_large", detail, beginning(line, encoding))
        elif not line.isspace():
            raw = _line(line, f"{where}@{offset}+{size}", encoding)
            if raw is not None:
                yield raw
        offset += size


def _line(line: bytes, locator: str, encoding: str) -> Raw | None:
    try:
        return Raw(locator, parse(line, encoding))
    except Damage as damage:
        text = line.removeprefix(BYTE_ORDER_MARK[encoding]).strip()
        if not text:
            return None  # a byte-order mark alone
        reason, detail = damage.reason, damage.detail
        if not line.endswith(b"\n") and not text.endswith(b"}") and reason in ("damaged", "wrong_encoding"):
            reason, detail = "cut_off", f"the file ends inside this record: {detail}"
        return Raw(locator, None, reason, detail, beginning(line, encoding))


def _rest_of_line(stream: BinaryIO) -> int:
    """How many bytes of it there were."""
    size = 0
    while piece := stream.readline(PIECE):
        size += len(piece)
        if piece.endswith(b"\n"):
            break
    return size
