"""How similar two texts are, exactly: the Jaccard similarity of the sets of their shingles. Knows texts and nothing of
signatures.

A set holds 32 bits of each shingle's hash: that two of a pair of texts' 1,000 shingles coincide by chance happens to one pair in
10,000 and moves its similarity by 0.001.
"""

from itertools import pairwise

import numpy as np

from kun.signals.fingerprints import shingles
from kun.signals.forms import bare, compatible


def shingle_sets(texts: list[str]) -> list[np.ndarray]:
    """Of each text, the different shingles in ascending order (uint32)."""
    hashed = shingles(bare(compatible(texts)))
    keys = (hashed.owners().astype(np.uint64) << np.uint64(32)) | (hashed.codes & np.uint64(0xFFFFFFFF))
    keys.sort()
    keys = keys[np.concatenate(([True], keys[1:] != keys[:-1]))[: len(keys)]]
    borders = np.searchsorted(keys, np.arange(len(texts) + 1, dtype=np.uint64) << np.uint64(32)).tolist()
    low = keys.astype(np.uint32)
    # Copies, so that keeping one text's set does not keep those of the whole batch.
    return [low[start:end].copy() for start, end in pairwise(borders)]


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Of two sets as `shingle_sets` has them; 0 where both are empty."""
    both = np.concatenate((one, other))
    if not len(both):
        return 0.0
    both.sort()
    shared = np.count_nonzero(both[1:] == both[:-1])
    return shared / (len(both) - shared)
