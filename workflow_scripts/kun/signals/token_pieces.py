"""Pieces of many texts, and a memory of what was found about short ones: a whole batch is looked up at once.

Short is meant in UTF-16 units, of which most characters are one and four fill a number of 64 bits, a *word*. A piece is known by its
words themselves, so no two are ever taken for each other. Knows nothing of what is remembered.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

_UNITS = 4  # in a word
_MOST_WORDS = 4
_FIRST_UNITS = np.array([2 ** (16 * units) - 1 for units in range(_UNITS + 1)], dtype=np.uint64)
_STIR = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Pieces:
    """Piece i is joined[starts[i]:ends[i]], and `sizes[i]` UTF-16 units from `units[i]` on; `words[k]` is what stands from unit k on.

    `codes` are all code points of `joined` (uint32).
    """

    joined: str
    codes: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    units: np.ndarray
    sizes: np.ndarray
    words: np.ndarray

    @classmethod
    def of(cls, joined: str, codes: np.ndarray, starts: np.ndarray) -> "Pieces":
        """A text that is cut before each of `starts`, the first of which is 0."""
        ends = np.append(starts[1:], len(codes))
        wide = codes >= 0x10000
        before = np.concatenate(([0], np.cumsum(wide))) if wide.any() else None  # characters of two units
        units, unit_ends = (starts, ends) if before is None else (starts + before[starts], ends + before[ends])
        text = joined.encode("utf-16-le") + bytes(2 * _UNITS * _MOST_WORDS)
        # They overlap. Copied, they are read from anywhere in half the time.
        words = np.ndarray(len(text) // 2 - _UNITS + 1, dtype="<u8", buffer=text, strides=(2,)).copy()
        return cls(joined, codes, starts, ends, units, unit_ends - units, words)

    def __len__(self) -> int:
        return len(self.starts)

    def some(self, numbers: np.ndarray) -> "Pieces":
        return replace(
            self, starts=self.starts[numbers], ends=self.ends[numbers], units=self.units[numbers], sizes=self.sizes[numbers]
        )

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Code points of the first and of the last character of each."""
        return self.codes[self.starts], self.codes[self.ends - 1]

    def texts(self) -> list[str]:
        return list(map(self.joined.__getitem__, map(slice, self.starts.tolist(), self.ends.tolist())))


class Memory:
    """A count for each of the pieces met before that have more than `least` and at most `most` units.

    Each has its slot in a table, by a hash of its words. A newcomer takes the slot of an older piece, which is forgotten.
    """

    def __init__(self, least: int, most: int, bits: int):
        self.least, self.most, self.bits = least, most, bits
        self.words = [np.zeros(1 << bits, dtype=np.uint64) for _ in range(most // _UNITS)]  # NUL stands for no piece
        self.counts, self.chosen = np.zeros(1 << bits, dtype=np.int32), np.zeros(1 << bits, dtype=np.int32)

    def recall(self, pieces: Pieces, count: Callable[[Pieces], np.ndarray]) -> np.ndarray:
        """The count of each piece, which must be of this memory's sizes: remembered, or else asked of `count` and put into its slot."""
        keys = self._keys(pieces)
        slots = self._slots(keys)
        counts = self.counts[slots]
        new = np.flatnonzero(~self._holds(slots, keys))
        while len(new):
            wanted = slots[new]
            self.chosen[wanted] = new  # of equal pieces, and of different ones that want the same slot, the last
            asked = new[self.chosen[wanted] == new]
            for word, key in zip(self.words, keys, strict=True):
                word[slots[asked]] = key[asked]
            self.counts[slots[asked]] = count(pieces.some(asked))
            there = self._holds(wanted, [key[new] for key in keys])
            counts[new[there]] = self.counts[wanted[there]]
            new = new[~there]
        return counts

    def _keys(self, pieces: Pieces) -> list[np.ndarray]:
        """The words of each piece, filled up with NUL."""
        lefts = [np.clip(pieces.sizes - place, 0, _UNITS) for place in range(0, self.most, _UNITS)]
        return [pieces.words[pieces.units + _UNITS * number] & _FIRST_UNITS[left] for number, left in enumerate(lefts)]

    def _slots(self, keys: list[np.ndarray]) -> np.ndarray:
        mixed = keys[0] * _STIR
        for key in keys[1:]:
            mixed = (mixed ^ (mixed >> np.uint64(32)) ^ key) * _STIR
        return (mixed >> np.uint64(64 - self.bits)).view(np.int64)

    def _holds(self, slots: np.ndarray, keys: list[np.ndarray]) -> np.ndarray:
        """For each piece, whether it is the one in its slot."""
        held = [word[slots] == key for word, key in zip(self.words, keys, strict=True)]
        return np.logical_and.reduce(held)
