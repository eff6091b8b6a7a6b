"""Writers of the published corpora's formats. The bytes depend on the records alone: no clock, no user, no compressor's version."""

import hashlib
import io
import json
import re
import struct
import tarfile
import zlib
from dataclasses import dataclass

from kun.demo.news import category_of
from kun.demo.spoiled import damaged
from kun.demo.texts import Text, content_hash

LARGEST_STORED_BLOCK = 65535  # bytes; RFC 1951, 3.2.4


@dataclass(frozen=True)
class Record:
    """A text on its way into a file: what kind of record it is to be there, and for a damaged one, the damage."""

    text: Text
    kind: str
    damage: str = ""


def in_file_order(records: list[Record]) -> list[Record]:
    """By content hash, so that kinds mix; equal texts stay in the order they came in."""
    return sorted(records, key=lambda record: content_hash(record.text.content + record.damage))


def json_line(row: dict, field: str, damage: str) -> bytes:
    return damaged(row, field, damage) if damage else json.dumps(row, ensure_ascii=False).encode("utf-8")


def headline(content: str) -> str:
    """A title for a text that has none: the beginning of its first clause."""
    return re.split(r"[，。：；！？\n]", content.strip())[0][:30]


def wudao(name: str, records: list[Record]) -> bytes:
    """WuDaoCorpora 2.0: one JSON array of objects, numbered per file."""
    rows = []
    for number, record in enumerate(records, start=1):
        text = record.text
        title = text.title or headline(text.content)
        row = {
            "id": number,
            "uniqueKey": md5(f"{name}#{number}"),
            "titleUkey": md5(title),
            "dataType": text.category or category_of(text.content),
            "title": title,
            "content": text.content,
        }
        rows.append(json_line(row, "content", record.damage))
    return b"[\n" + b",\n".join(rows) + b"\n]\n"


def wanjuan(name: str, records: list[Record]) -> bytes:
    """WanJuan 1.0: lines of {id, content} in the one member of a gzipped tar; `name` is the file's, ending in .jsonl.tar.gz."""
    lines = []
    for number, record in enumerate(records):
        row = {"id": md5(f"{name}#{number}")[:20], "content": record.text.content}
        lines.append(json_line(row, "content", record.damage) + b"\n")
    return gzipped(tarred(name.rpartition("/")[2].removesuffix(".tar.gz"), b"".join(lines)))


def skypile(name: str, records: list[Record]) -> bytes:
    """SkyPile-150B: lines of {text}."""
    return b"".join(json_line({"text": record.text.content}, "text", record.damage) + b"\n" for record in records)


def md5(value: str) -> str:
    return hashlib.md5(value.encode("utf-8"), usedforsecurity=False).hexdigest()


def tarred(name: str, content: bytes) -> bytes:
    """A tar archive of one file, of no date and no owner."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def gzipped(content: bytes) -> bytes:
    """The content as a gzip member of stored blocks (RFC 1952): zlib and its rivals compress to different bytes, so none is asked."""
    starts = range(0, max(len(content), 1), LARGEST_STORED_BLOCK)
    parts = [b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff"]
    for start in starts:
        block = content[start : start + LARGEST_STORED_BLOCK]
        is_last = start == starts[-1]
        parts.append(struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF) + block)
    return b"".join([*parts, struct.pack("<II", zlib.crc32(content), len(content) & 0xFFFFFFFF)])
