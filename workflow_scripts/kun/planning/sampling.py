"""A sample of a source's raw records: a few from each of many shards, the same ones every time.

Shards take their turn in the order of a digest of their names. A plain file of lines is read from a place inside it that the digest
says, and from its beginning when its end is reached; other files are read from their beginning. When the sample holds all there is,
nothing has to be extrapolated, and it is said so.
"""

import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq
from backports import zstd

from kun.books.digests import seed_from
from kun.corpus.containers import CORRUPT
from kun.corpus.parse import Raw, foreign
from kun.corpus.plan import Piece, Shard
from kun.corpus.raw import read_raw

OPEN = 20  # shards that are read in turn
CHUNK = 50  # records of a turn
JUMP = 20_000  # bytes; smaller files are read from their beginning
HEAD = 4_000_000  # bytes of a packed file that tell how densely it is packed


@dataclass
class Chunk:
    """Records that were read together, and how many bytes of the shard's files they are, packed as they lie on the disk."""

    shard: str
    records: list[Raw]
    size: float


@dataclass
class Sample:
    chunks: list[Chunk] = field(default_factory=list)
    bytes: int = 0  # of all the source's files
    unread: float = 0.0  # of these, the bytes that no record of the sample is from

    def shards(self) -> list[str]:
        return list(dict.fromkeys(chunk.shard for chunk in self.chunks))


def sample_of_source(shards: list[Shard], count: int, seed: int, limit: int, columns: list[str]) -> Sample:
    """At least `count` records of the shards of one source, or all of them. `limit` and `columns` as for read_raw, which raises for a file
    that has gone."""
    sizes = {shard.id(): sum(size_of(piece) for piece in shard.pieces) for shard in shards}
    sample = Sample(bytes=sum(sizes.values()))
    waiting = deque(sorted(shards, key=lambda shard: (seed_from(f"{seed}/{shard.id()}"), shard.id())))
    reading: deque[_Reader] = deque()
    at_once = max(5, min(CHUNK, count // (2 * OPEN)))
    taken, read = 0, 0.0
    while taken < count:
        while waiting and len(reading) < OPEN:
            shard = waiting.popleft()
            reading.append(_Reader(shard, sizes[shard.id()], seed, limit, columns))
        if not reading:
            break
        reader = reading.popleft()
        records = reader.next(at_once)
        taken += len(records)
        if len(records) == at_once:
            reading.append(reader)
            continue
        read += reader.finished()
        sample.chunks += reader.chunks
    for reader in reading:
        read += sum(chunk.size for chunk in reader.chunks)
        sample.chunks += reader.chunks
    everything = not waiting and not reading
    sample.unread = 0.0 if everything else max(0.0, sample.bytes - read)
    return sample


def size_of(piece: Piece) -> int:
    """Bytes of a piece on the disk; 0 for a file that has gone, which reading it will say."""
    if piece.end is not None:
        return piece.end - piece.start
    path = Path(piece.path)
    return path.stat().st_size if path.is_file() else 0


class _Reader:
    """A shard's records in chunks."""

    def __init__(self, shard: Shard, size: int, seed: int, limit: int, columns: list[str]):
        self.shard, self.size, self.chunks = shard, size, []
        self.packed = _packed_share(shard)
        self.records: Iterator[Raw] = read_raw(_from_inside(shard, seed), limit, columns)

    def next(self, count: int) -> list[Raw]:
        records = list(islice(self.records, count))
        if records:
            self.chunks.append(Chunk(self.shard.id(), records, sum(_length(raw.locator) for raw in records) * self.packed))
        return records

    def finished(self) -> float:
        """All is read, so the chunks' sizes add up to the shard's: what stands between records is spread over them."""
        found = sum(chunk.size for chunk in self.chunks)
        for chunk in self.chunks:
            chunk.size = chunk.size * self.size / found if found else self.size / len(self.chunks)
        return self.size


def _from_inside(shard: Shard, seed: int) -> Shard:
    """The same shard, its large plain files of lines turned round: from a place inside to the end, then the beginning."""
    if shard.format == "wudao":
        return shard
    pieces: list[Piece] = []
    for piece in shard.pieces:
        size = size_of(piece)
        if not piece.relative.endswith(".jsonl") or size < JUMP or _is_foreign(piece, shard.encoding):
            pieces.append(piece)
            continue
        inside = piece.start + 1 + seed_from(f"{seed}/{shard.id()}/{piece.relative}") % (size - 1)
        pieces += [replace(piece, start=inside, end=piece.start + size), replace(piece, end=inside)]
    return replace(shard, pieces=tuple(pieces))


def _is_foreign(piece: Piece, encoding: str) -> bool:
    """Whether the file is one record that cannot be read, which must not be counted in two halves."""
    with Path(piece.path).open("rb") as stream:
        return bool(foreign(stream.read(4), encoding))


def _length(locator: str) -> float:
    """Bytes of a record, unpacked; a row of Parquet counts as one."""
    return float(locator.rpartition("+")[2]) + 1 if "@" in locator else 1.0


def _packed_share(shard: Shard) -> float:
    """Bytes on the disk for each of a locator's bytes; for Parquet, for each row."""
    if shard.format == "parquet":
        rows = sum(_rows(piece) for piece in shard.pieces)
        return sum(size_of(piece) for piece in shard.pieces) / rows if rows else 1.0
    packed, plain = 0, 0
    for piece in shard.pieces[:4]:  # of one source, so they are packed alike
        read, made = _unpacked_head(Path(piece.path))
        packed, plain = packed + read, plain + made
    return packed / plain if plain else 1.0


def _rows(piece: Piece) -> int:
    try:
        return pq.read_metadata(piece.path).num_rows
    except (OSError, ValueError):  # pyarrow's own are both: reading the shard says what is wrong
        return 0


def _unpacked_head(path: Path) -> tuple[int, int]:
    """(bytes read, bytes that they unpack to) at a file's beginning; equal where it is not packed, nothing where it is damaged."""
    if not path.name.endswith((".gz", ".zst")) or not path.is_file():
        return 1, 1
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if path.name.endswith(".gz") else zstd.ZstdDecompressor()
    try:
        made = len(unpack.decompress(head))
    except CORRUPT:
        return 0, 0
    return len(head) - len(unpack.unused_data), made
