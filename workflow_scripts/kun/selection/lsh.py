"""Which documents may be near duplicates: those whose MinHash signatures agree in a band (locality-sensitive hashing).

A band is a choice of `rows` places of the signature; two texts of Jaccard similarity s agree in one band with probability s^rows,
in one of b bands with 1 - (1 - s^rows)^b (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, 3.4). Documents that agree in
a band are a group. Knows signatures only; whether two texts are alike is asked elsewhere.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kun.books.progress import followed

FOUND = 0.98  # of the pairs that are just as similar as asked for, the share that should meet in a band
MEETING = 0.2  # largest chance of such a pair to meet in one band: more rows a band, fewer strangers, but more bands
FEWEST_ROWS, MOST_ROWS = 5, 12  # below 5, strangers meet in a corpus of ten million; above 12, bands would be too alike
BLOCK = 1 << 16  # documents whose bands are cut at a time
SEED = 20401


@dataclass(frozen=True)
class Groups:
    """Documents (by number, ascending) that share a band with another, and the groups each is in.

    The groups of documents[i] are of[offsets[i]:offsets[i + 1]]; sizes[g] is the number of documents in group g.
    """

    documents: np.ndarray  # int32
    offsets: np.ndarray  # int64
    of: np.ndarray  # int32
    sizes: np.ndarray  # int32


def bands(similarity: float, places: int) -> np.ndarray:
    """Places of the signature, one row a band. 0.8: 17 bands of 7; 0.5: 124 of 5; 1: 1 of 12.

    A place may serve in several bands. Simulated, pairs just at the threshold meet with a chance of 0.95 (0.5) to 0.98 (0.8).
    """
    rows = MOST_ROWS if similarity == 1 else min(MOST_ROWS, max(FEWEST_ROWS, round(math.log(MEETING) / math.log(similarity))))
    meeting = similarity**rows
    count = 1 if meeting == 1 else math.ceil(math.log(1 - FOUND) / math.log(1 - meeting))
    chance = np.random.default_rng(SEED)
    # One shuffle after another, so that bands have as few places in common as can be, and no band a place twice.
    deals = [chance.permutation(places)[: places // rows * rows].reshape(-1, rows) for _ in range(0, count, places // rows)]
    return np.concatenate(deals)[:count]


def groups(signatures: np.ndarray, documents: np.ndarray, similarity: float) -> Groups:
    """Groups of `documents` (ascending numbers of rows of `signatures`), one band at a time.

    Held while it works: 24 bytes a document for the band at hand, and 12 for each time that a document is in a group.
    """
    members, found, sizes, count = [], [], [], 0
    times = np.zeros(len(documents), dtype=np.int32)  # how many groups a document is in
    chosen = bands(similarity, signatures.shape[1])
    for band in followed(chosen, "find_duplicates: similar signatures", "bands", total=len(chosen)):
        order, starts = _alike(np.concatenate(list(_keys(signatures, documents, band))))
        members.append(order)
        found.append(np.repeat(np.arange(count, count + len(starts) - 1, dtype=np.int32), np.diff(starts)))
        sizes.append(np.diff(starts).astype(np.int32))
        count += len(starts) - 1
        times[order] += 1
    grouped = np.flatnonzero(times)
    offsets = np.concatenate(([0], np.cumsum(times[grouped], dtype=np.int64)))
    next_free = np.zeros(len(documents), dtype=np.int64)
    next_free[grouped] = offsets[:-1]
    of = np.empty(offsets[-1], dtype=np.int32)
    for order, numbers in zip(members, found, strict=True):  # a document is in one group of a band at most
        of[next_free[order]] = numbers
        next_free[order] += 1
    return Groups(documents[grouped].astype(np.int32), offsets, of, np.concatenate(sizes))


def _keys(signatures: np.ndarray, documents: np.ndarray, band: np.ndarray) -> Iterator[np.ndarray]:
    """A 64-bit hash of the band of each document, a block at a time: equal for equal bands, and else by a chance of 2^-48."""
    weights = np.random.default_rng(SEED).integers(0, 1 << 63, len(band), dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    for first in range(0, len(documents), BLOCK):
        block = signatures[documents[first : first + BLOCK, None], band]
        yield block.astype(np.uint64) @ weights
    yield np.empty(0, dtype=np.uint64)


def _alike(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(places, starts): the places of keys that occur more than once, equal ones side by side; run i is starts[i]:starts[i + 1]."""
    order = np.argsort(keys)
    keys = keys[order]
    same = np.zeros(len(keys) + 1, dtype=bool)  # as the one before
    same[1:-1] = keys[1:] == keys[:-1]
    repeated = same[1:] | same[:-1]
    starts = np.flatnonzero(~same[:-1][repeated])
    return order[repeated].astype(np.int32), np.append(starts, np.count_nonzero(repeated))
