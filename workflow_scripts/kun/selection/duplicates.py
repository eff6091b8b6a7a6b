"""Duplicates across all shards: the first document in plan order owns a text, and those nearly like it.

Plan order means sources as the configuration lists them, then files in natural order, then place in the file. Documents are
walked in that order. One is a duplicate when an earlier one has the same fingerprint (exact), or when the Jaccard similarity of
its shingles with an earlier *owner's* reaches the threshold (near); the first such document owns it, and is what it is dropped
for. So a shard that sorts later never changes an earlier one, nothing is dropped that is not similar to something kept, and there
are no chains of likeness.

Only documents that other thresholds let pass take part: an owner that is dropped would take its copies with it.

Signatures propose (kun/selection/lsh.py), texts decide (kun/selection/similarity.py): a near duplicate named here is one. Some
are missed: 2 in 100 of those just at the threshold (5 at a threshold of 0.5) agree with their owner in no band, and fewer the
more similar they are; and where more than CROWD owners stand in a group, a text is compared with the first of them only. Of the
7,325 near pairs at 0.8 among 47,000 real and edited texts, 99.9 % were found (benchmarks/duplicates.py).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kun.books.progress import followed
from kun.books.tables import BATCH, count_rows
from kun.selection.lsh import Groups, groups
from kun.selection.similarity import jaccard, shingle_sets
from kun.settings.selection import Duplicates
from kun.signals.fingerprints import PLACES, SIGNATURE

SCHEMA = pa.schema(
    [
        ("row", pa.int64()),  # place in the shard
        ("owner", pa.string()),  # source:locator
        ("kind", pa.string()),  # exact | near
        ("similarity", pa.float32()),  # Jaccard, of the shingles; 1 for exact
    ]
)
CROWD = 64  # owners of one group, and plausible owners of one document, that are compared: what keeps crowds from costing squares
DOUBT = 4  # standard deviations by which a signature's estimate may fall short: one pair in 30,000 falls shorter

Shard = tuple[str, Path, Path]  # source/name, signals, documents
Eligible = Callable[[str], np.ndarray]  # of a shard: one bool a document


def find_duplicates(shards: list[Shard], settings: Duplicates, eligible: Eligible | None = None) -> Iterator[tuple[str, pa.Table]]:
    """(shard, table of SCHEMA) for each of `shards`, which are in plan order; `eligible`: all, if not given.

    Held in memory for each document: 16 bytes of fingerprint, 256 of signature and some 60 while sorting; for each that may have
    a near duplicate 150 more, and the shingles of those that became owners, 4 bytes a character.
    """
    signals = read_signals(shards, settings.near, eligible)
    first = first_of_each(signals)
    owners, similarity = first, np.ones(len(first), dtype=np.float32)
    if settings.near:
        texts = np.flatnonzero(first == np.arange(len(first)))  # exact copies follow their first
        found = groups(signals.signatures, texts, settings.similarity)
        owners, similarity = near_owners(shards, signals, found, settings.similarity)
        owners, similarity = np.where(first < 0, -1, owners[first]), similarity[first]
    return tables(shards, signals, owners, owners == first, similarity)


@dataclass(frozen=True)
class Signals:
    """What is known of all documents. A document's number is its place in plan order; shard i has those from starts[i] on."""

    starts: np.ndarray  # int64, of length shards + 1
    fingerprints: np.ndarray  # (documents, 2) uint64
    signatures: np.ndarray  # (documents, PLACES) uint16, or none of them
    eligible: np.ndarray  # bool

    def shards(self, shards: list[Shard], what: str) -> Iterator[tuple[Shard, int, int]]:
        """(shard, number of its first document, number after its last)."""
        shown = followed(shards, f"find_duplicates: {what}", "shards", total=len(shards))
        return zip(shown, self.starts, self.starts[1:], strict=False)


def read_signals(shards: list[Shard], near: bool, eligible: Eligible | None) -> Signals:
    counts = [count_rows(signals) for _, signals, _ in shards]
    total = sum(counts)
    read = Signals(
        np.concatenate(([0], np.cumsum(counts, dtype=np.int64))),
        np.empty((total, 2), dtype="<u8"),
        np.empty((total if near else 0, PLACES), dtype=SIGNATURE),
        np.ones(total, dtype=bool),
    )
    for (shard, signals, _), start, end in read.shards(shards, "signals"):
        if eligible:
            read.eligible[start:end] = eligible(shard)
        with pq.ParquetFile(signals) as table:
            for batch in table.iter_batches(columns=["fingerprint", "minhash"] if near else ["fingerprint"]):
                here = slice(start, start + len(batch))
                read.fingerprints[here] = _fixed(batch["fingerprint"], read.fingerprints.dtype)
                if near:
                    read.signatures[here] = _fixed(batch["minhash"], SIGNATURE)
                start = here.stop
    return read


def _fixed(column: pa.FixedSizeBinaryArray, dtype: np.dtype) -> np.ndarray:
    """The numbers in a column of binary(n), one row a document."""
    width = column.type.byte_width // dtype.itemsize
    values = np.frombuffer(column.buffers()[1], dtype=dtype).reshape(-1, width)
    return values[column.offset : column.offset + len(column)]


def first_of_each(signals: Signals) -> np.ndarray:
    """For each document the first one with its fingerprint, which may be itself; -1 for one that takes no part."""
    first = np.full(len(signals.eligible), -1, dtype=np.int32)
    documents = np.flatnonzero(signals.eligible)
    order = documents[np.lexsort(signals.fingerprints[documents].T)]  # stable: equal ones stay in plan order
    sorted_ = signals.fingerprints[order]
    new = np.concatenate(([True], (sorted_[1:] != sorted_[:-1]).any(axis=1)))[: len(order)]
    first[order] = order[new][np.cumsum(new) - 1]
    return first


def near_owners(shards: list[Shard], signals: Signals, found: Groups, similarity: float) -> tuple[np.ndarray, np.ndarray]:
    """(owner, similarity) of all documents, by the walk over those in groups; who is not owned by another owns itself, at 1.

    A shard's texts are read when its turn comes, and only those in groups.
    """
    owners = np.arange(len(signals.eligible), dtype=np.int32)
    similarities = np.ones(len(owners), dtype=np.float32)
    walk = Walk(signals.signatures, found, similarity)
    turns = np.searchsorted(found.documents, signals.starts)
    for ((_, _, documents), start, _), turn, end in zip(signals.shards(shards, "near duplicates"), turns, turns[1:], strict=False):
        for texts in _texts(documents, found.documents[turn:end] - start):
            for shingles in shingle_sets(texts):
                document = found.documents[turn]
                owners[document], similarities[document] = walk.visit(turn, shingles)
                turn += 1
    return owners, similarities


def _texts(documents: Path, rows: np.ndarray) -> Iterator[list[str]]:
    """Texts of the rows asked for (ascending), a batch at a time."""
    if not len(rows):
        return
    with pq.ParquetFile(documents) as table:
        start = 0
        for batch in table.iter_batches(batch_size=BATCH, columns=["text"]):
            asked = rows[slice(*np.searchsorted(rows, (start, start + len(batch))))] - start
            yield batch["text"].take(pa.array(asked)).to_pylist()
            start += len(batch)


class Walk:
    """Documents in groups, visited once each in plan order; remembers the owners among them."""

    def __init__(self, signatures: np.ndarray, found: Groups, similarity: float):
        self.signatures, self.found, self.similarity = signatures, found, similarity
        self.least_agreeing = PLACES * similarity - DOUBT * math.sqrt(PLACES * similarity * (1 - similarity))
        # A group's owners stand in a row of their own, in plan order. Its last document need not be among them.
        self.room = np.minimum(found.sizes - 1, CROWD)
        self.start = np.concatenate(([0], np.cumsum(self.room, dtype=np.int64)))[:-1]
        self.count = np.zeros(len(self.room), dtype=np.int32)
        self.owners = np.empty(self.room.sum(), dtype=np.int32)
        self.shingles: dict[int, np.ndarray] = {}

    def visit(self, place: int, shingles: np.ndarray) -> tuple[int, float]:
        """(owner, similarity) of found.documents[place], itself and 1 where it is its own."""
        document = int(self.found.documents[place])
        groups = self.found.of[self.found.offsets[place] : self.found.offsets[place + 1]]
        for owner in self._plausible(document, groups):
            other = self.shingles[owner]
            if min(len(shingles), len(other)) >= self.similarity * max(len(shingles), len(other)):
                alike = jaccard(shingles, other)
                if alike >= self.similarity:
                    return owner, alike
        roomy = groups[self.count[groups] < self.room[groups]]
        if len(roomy):
            self.owners[self.start[roomy] + self.count[roomy]] = document
            self.count[roomy] += 1
            self.shingles[document] = shingles
        return document, 1.0

    def _plausible(self, document: int, groups: np.ndarray) -> list[int]:
        """Owners in these groups whose signature may be a near duplicate's, in plan order; of many, the CROWD likeliest."""
        counts = self.count[groups]
        before = np.cumsum(counts)
        if not before[-1]:
            return []
        owners = self.owners[np.repeat(self.start[groups] - before + counts, counts) + np.arange(before[-1])]
        owners = np.unique(owners)
        agreeing = np.count_nonzero(self.signatures[owners] == self.signatures[document], axis=1)
        plausible = agreeing >= self.least_agreeing
        owners, agreeing = owners[plausible], agreeing[plausible]
        if len(owners) > CROWD:
            owners = owners[np.sort(np.argsort(-agreeing, kind="stable")[:CROWD])]
        return owners.tolist()


def tables(
    shards: list[Shard], signals: Signals, owners: np.ndarray, exact: np.ndarray, similarity: np.ndarray
) -> Iterator[tuple[str, pa.Table]]:
    """(shard, its table of SCHEMA): numbers become locators, for which only the owners' shards are opened again."""
    owned = np.flatnonzero((owners >= 0) & (owners != np.arange(len(owners))))
    named = np.unique(owners[owned])
    names = [pa.array([], pa.string())]
    for (shard, _, documents), start, end in signals.shards(shards, "owners"):
        rows = named[slice(*np.searchsorted(named, (start, end)))] - start
        if len(rows):
            locators = pq.read_table(documents, columns=["locator"])["locator"].take(pa.array(rows)).to_pylist()
            names.append(pa.array([f"{shard.split('/')[0]}:{locator}" for locator in locators], pa.string()))
    locators = pa.concat_arrays(names)
    for (shard, _, _), start, end in zip(shards, signals.starts, signals.starts[1:], strict=False):
        mine = owned[slice(*np.searchsorted(owned, (start, end)))]
        owner = locators.take(pa.array(np.searchsorted(named, owners[mine])))
        kind = pa.array(np.where(exact[mine], "exact", "near").astype(object), pa.string())
        yield shard, pa.table([pa.array(mine - start), owner, kind, pa.array(similarity[mine])], schema=SCHEMA)
