"""What tells equal and nearly equal texts apart: a fingerprint and a MinHash signature of each text's bare form.

The fingerprint is a digest of the bare form: equal where texts differ in space, width, case or punctuation only. The signature is
of the set of its character 5-grams, the *shingles*: the share of places in which two signatures agree estimates the Jaccard
similarity of the sets (Broder 1997), within 0.03 or so for 128 places. Both depend on the text alone, never on its neighbours in
the batch or on the number of threads. Who is a duplicate of whom is decided in kun/selection/duplicates.py.
"""

import hashlib
import os
from array import array
from itertools import pairwise

import numpy as np
import rensa

from kun.signals.forms import Codes
from kun.signals.grams import grams

GRAM = 5  # characters of a shingle: some two words, as in the 5-grams of words that English corpora are compared by
PLACES = 128  # of a signature
SIGNATURE = np.dtype("<u2")  # the low 16 bits of rensa's 32: two unequal values agree once in 65,536, for half the memory
SEED = 42  # this, GRAM and rensa's version say which signatures may be compared
PIECE = 128  # texts that rensa is given at once: its list of Python's integers then stays in the processor's cache

# A job has the one thread that it asked Snakemake for; rensa would take all cores. Read when rensa first needs threads.
os.environ.setdefault("RAYON_NUM_THREADS", "1")


def fingerprint_columns(form: Codes) -> tuple[list[bytes], list[bytes]]:
    """(fingerprint, minhash) of texts in bare form: 16 bytes of BLAKE2b over UTF-32-LE, and PLACES little-endian uint16.

    An empty text's signature is all ones; it shares no shingle with anything, so nothing but another empty text is its duplicate.
    """
    data, ends = memoryview(np.ascontiguousarray(form.codes)).cast("B"), (4 * form.offsets).tolist()
    fingerprints = [hashlib.blake2b(data[start:end], digest_size=16).digest() for start, end in pairwise(ends)]
    rows = signatures(shingles(form))
    width, stored = PLACES * SIGNATURE.itemsize, rows.tobytes()
    return fingerprints, [stored[start : start + width] for start in range(0, len(stored), width)]


def shingles(form: Codes) -> Codes:
    """Hashes (uint64) of each text's character 5-grams in order, repeats included; offsets as in Codes.

    A text of 1 to 4 characters is one shingle, filled up with NUL, which no text holds; an empty one has none.
    """
    lengths = form.lengths
    missing = np.where((lengths > 0) & (lengths < GRAM), GRAM - lengths, 0)
    if missing.any():
        filled = np.insert(form.codes, np.repeat(form.offsets[1:], missing), 0)
        form = Codes(filled, form.offsets + np.concatenate(([0], np.cumsum(missing))))
    return grams(form, GRAM)


def signatures(hashed: Codes) -> np.ndarray:
    """MinHash signatures of sets of hashes, PLACES a row, by Fast Similarity Sketching (arXiv 1704.04370) as rensa has it."""
    rows = np.empty((len(hashed), PLACES), dtype=SIGNATURE)
    for first in range(0, len(hashed), PIECE):
        offsets = hashed.offsets[first : first + PIECE + 1]
        matrix = rensa.RMinHash.digest_matrix_from_flat_token_hashes(
            hashed.codes[offsets[0] : offsets[-1]], (offsets - offsets[0]).astype(np.uint64), PLACES, SEED
        )
        # An array of a list is three times as fast as numpy's, and the list is all that rensa hands out.
        values = np.frombuffer(b"".join([array("I", row) for row in matrix.to_rows()]), dtype=np.uint32)
        rows[first : first + PIECE] = values.reshape(-1, PLACES)
    return rows
