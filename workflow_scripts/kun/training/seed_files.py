"""The records of a seed file, whatever holds it: lines of JSON, one JSON array or Parquet, packed or not. Knows no fields' meaning.

The corpus's readers do the work: an array is streamed, damage costs its own record, and each record has a locator that leads back to it.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kun.corpus.containers import CORRUPT, unpacked
from kun.corpus.parse import BYTE_ORDER_MARK, Raw
from kun.corpus.plan import Piece, Shard
from kun.corpus.raw import read_raw
from kun.training.turns import FIELDS

_LOOK = 512  # bytes in which an array's bracket is looked for


class NoSeedFile(Exception):
    """A file of seed.files cannot be opened; the message names it."""


def read_seed(name: str, limit: int) -> Iterator[Raw]:
    """A file's records in order; locators begin with `name`. `limit` is of a record's bytes. Raises NoSeedFile."""
    path = Path(name).expanduser()
    if not path.is_file():
        raise NoSeedFile(f"seed.files: there is no file {path}; correct the name, or take it out of the list")
    if path.name.endswith(".parquet"):
        format, columns = "parquet", _columns(path)
    else:
        format, columns = "wudao" if _is_array(path) else "jsonl", []
    yield from read_raw(Shard("seed", "", format, "utf-8", (Piece(str(path), name),)), limit, columns)


def _columns(path: Path) -> list[str]:
    """Those of a Parquet file that a format reads. Of a file without any, the reader hands out the names, to be told from."""
    try:
        names = pq.read_schema(path).names
    except (pa.ArrowException, OSError):  # damaged: the reader says how
        names = []
    return [field for field in FIELDS if field in names] or FIELDS[:1]


def _is_array(path: Path) -> bool:
    """By its first bytes; where they tell nothing, a .json is an array whose beginning is torn off."""
    try:
        for _, stream in unpacked(path):
            head = stream.peek(_LOOK)[:_LOOK].removeprefix(BYTE_ORDER_MARK["utf-8"]).lstrip()
            return head.startswith(b"[") or (not head.startswith(b"{") and ".json" in path.suffixes)
    except CORRUPT:
        pass  # the reader says how
    return False
