"""Where to look for many questions in many texts: a few characters of each question that no text can lack which holds enough of it.

When no n-gram that begins in a question's first u + 1 characters is in a text, the text lacks these u + 1 characters, for only those
n-grams reach them; likewise at the end. So where u characters may be missing, the u + 1 n-grams of one end are all that must be looked
for. Their first characters are the question's keys. Finds too much and never too little; what is found is for others to compare.
"""

import numpy as np

from kun.signals.forms import Codes, codes_of
from kun.signals.grams import grams

_BITS_PER_KEY = 32


class Keys:
    """Sorted hashes of all keys, and a table of bits that tells for nearly every place of a text that no key is there.

    Memory: 12 bytes and 32 bits of the table a key; a question has a key for each character that may be missing and one more.
    """

    def __init__(self, forms: list[str], gram: int, may_miss: list[int], length: int):
        """`length` of a key, in characters: at most `gram`, and at most any form's."""
        self.length = length
        self.sizes = [len(form) for form in forms]
        found = grams(codes_of(forms), length)
        last = np.maximum(np.array(self.sizes, dtype=np.int64) - gram, 0)  # where a question's last n-gram begins
        counts = np.minimum(np.array(may_miss, dtype=np.int64), last) + 1
        heads, tails = (
            found.codes[_ranges(found.offsets[:-1] + first, counts)] for first in (np.zeros_like(last), last + 1 - counts)
        )
        # Questions begin and end alike (请根据, 下列说法正确的是): each is looked for by the end that fewer others share.
        _, numbers, common = np.unique(np.concatenate((heads, tails)), return_inverse=True, return_counts=True)
        shared = np.concatenate(([0], np.cumsum(common[numbers])))
        edges = np.concatenate(([0], np.cumsum(counts)))
        by_head = np.diff(shared[edges]) < np.diff(shared[edges + edges[-1]])
        asked = np.repeat(np.arange(len(forms), dtype=np.int32), counts)
        hashes = np.where(by_head[asked], heads, tails)
        order = np.argsort(hashes, kind="stable")
        self.hashes, self.asked = hashes[order], asked[order]
        bits = max(16, (_BITS_PER_KEY * len(hashes)).bit_length())
        self.shift = np.uint64(64 - bits)
        self.table = np.zeros(1 << (bits - 3), dtype=np.uint8)
        byte, bit = self._places(self.hashes)
        np.bitwise_or.at(self.table, byte, np.uint8(1) << bit)

    def suspects(self, forms: Codes) -> list[tuple[int, int, int]]:
        """(text, place in it, question) where a text holds a key of a question; of places a question's length apart the first."""
        if not self.sizes:
            return []
        held = grams(forms, self.length)
        byte, bit = self._places(held.codes)
        found = np.flatnonzero(self.table[byte] >> bit & 1)
        first, after = (np.searchsorted(self.hashes, held.codes[found], side) for side in ("left", "right"))
        real = first < after
        found, first, after = found[real], first[real], after[real]
        texts = np.searchsorted(held.offsets, found, side="right") - 1
        places = found - held.offsets[texts]
        suspects: dict[tuple[int, int, int], int] = {}
        for text, place, low, high in zip(texts.tolist(), places.tolist(), first.tolist(), after.tolist(), strict=True):
            for question in self.asked[low:high].tolist():
                suspects.setdefault((text, question, place // self.sizes[question]), place)
        return [(text, place, question) for (text, question, _), place in suspects.items()]

    def _places(self, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A hash's byte in the table, and the bit in it."""
        places = hashes >> self.shift
        return places >> np.uint64(3), (places & np.uint64(7)).astype(np.uint8)


def _ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """start, start + 1 … of each range, one after the other."""
    return np.arange(counts.sum()) + np.repeat(starts - (np.cumsum(counts) - counts), counts)
