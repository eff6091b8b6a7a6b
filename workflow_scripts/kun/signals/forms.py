"""Many texts as one array of code points, and the normal forms that perplexity and fingerprints are taken on.

Working on a batch at a time, an array operation costs a nanosecond or two a character, where a loop over a text costs fifty. Knows
nothing of what is measured.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

_PLANE = 0x10000
_SEVERAL = 0xFFFFFFFF  # in place of a form: more than a table of single characters can say


@dataclass(frozen=True)
class Codes:
    """Characters of n texts: text i is codes[offsets[i]:offsets[i + 1]]; codes uint32, offsets int64 of length n + 1."""

    codes: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        return np.diff(self.offsets)

    def owners(self) -> np.ndarray:
        """For each character, the number of its text (int32)."""
        return np.repeat(np.arange(len(self), dtype=np.int32), self.lengths)

    def where(self, wanted: np.ndarray) -> "Codes":
        """The same texts with only the characters for which `wanted` (bool, one a character) is true."""
        places = np.flatnonzero(wanted)
        return Codes(self.codes[places], np.searchsorted(places, self.offsets))

    def texts(self) -> list[str]:
        return [
            self.codes[start:end].tobytes().decode("utf-32-le") for start, end in zip(self.offsets, self.offsets[1:], strict=False)
        ]


def codes_of(texts: list[str]) -> Codes:
    """The texts as they are. Lone surrogates are not text; `readable` takes them out."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32)
    return Codes(codes, np.concatenate(([0], np.cumsum([len(text) for text in texts], dtype=np.int64))))


def compatible(texts: list[str]) -> Codes:
    """The texts in NFKC and lower case, exactly as unicodedata and str.lower have it; by table where one character stays one."""
    plain = codes_of(texts)
    mapped = _compatible_table().take(plain.codes, mode="clip")
    places = np.flatnonzero(mapped == _SEVERAL)
    if not len(places):
        return Codes(mapped, plain.offsets)
    # Texts with a character that the table cannot say are asked for as a whole.
    lengths, parts, done = plain.lengths.copy(), [], 0
    for number in np.unique(np.searchsorted(plain.offsets, places, side="right") - 1).tolist():
        form = unicodedata.normalize("NFKC", texts[number]).lower()
        lengths[number] = len(form)
        parts += mapped[done : plain.offsets[number]], np.frombuffer(form.encode("utf-32-le"), dtype=np.uint32)
        done = plain.offsets[number + 1]
    return Codes(np.concatenate([*parts, mapped[done:]]), np.concatenate(([0], np.cumsum(lengths))))


class PerCharacter:
    """A function of a character, asked of many at once: by a table for the first plane, one by one for the others."""

    def __init__(self, function: Callable[[str], Any], dtype: type):
        self.function, self.dtype = function, dtype

    @cached_property
    def table(self) -> np.ndarray:
        return np.array([self.function(chr(code)) for code in range(_PLANE)], dtype=self.dtype)

    def __call__(self, codes: np.ndarray) -> np.ndarray:
        values = self.table.take(codes, mode="clip")
        beyond = np.flatnonzero(codes >= _PLANE)
        values[beyond] = [self.function(chr(code)) for code in codes[beyond]]
        return values


def bare(form: Codes) -> Codes:
    """Letters and digits only of a compatible form: equal for texts that differ in space, width or punctuation."""
    return form.where(_is_alphanumeric(form.codes))


_is_alphanumeric = PerCharacter(str.isalnum, bool)


@cache
def _compatible_table() -> np.ndarray:
    """The form of each character of the first plane; _SEVERAL for the last code, which is no character and stands for other planes."""
    images = np.arange(_PLANE, dtype=np.uint32)
    for code in range(_PLANE):
        character = chr(code)
        form = unicodedata.normalize("NFKC", character).lower()
        alone = (
            len(form) == 1 and form.lower() == form and character not in "Σς" and not _combines(character) and not _combines(form)
        )
        images[code] = ord(form) if alone else _SEVERAL
    images[_PLANE - 1] = _SEVERAL
    return images


def _combines(character: str) -> bool:
    """May it be joined with its neighbour by normalisation? Marks, and the vowels and finals of Hangul."""
    return (
        unicodedata.combining(character) > 0 or unicodedata.category(character).startswith("M") or "\u1100" <= character <= "\u11ff"
    )
