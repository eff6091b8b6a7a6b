"""Many texts as one array of code points, and the normal forms that perplexity and fingerprints are taken on.

Working on a batch at a time, an array operation costs a nanosecond or two a character, where a loop over a text costs fifty. Knows
nothing of what is measured.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache

import numpy as np

BETWEEN = "\0"  # joins texts; a readable text holds no NUL
_PLANE = 0x10000
_ITSELF, _OTHER, _SEVERAL = 0, 1, 2  # a character's compatible form: itself, one other character, or more than a table can say


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
        before = np.concatenate(([0], np.cumsum(wanted)))
        return Codes(self.codes[wanted], before[self.offsets])

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
    kinds, images = _compatible_table()
    plain = codes_of(texts)
    astral = plain.codes >= _PLANE
    codes = np.where(astral, 0, plain.codes)
    several = kinds[codes] == _SEVERAL
    several |= astral
    if several.any():
        asked = np.unique(plain.owners()[several])
        texts = list(texts)
        for number in asked:
            texts[number] = unicodedata.normalize("NFKC", texts[number]).lower()
        plain = codes_of(texts)
        # These are in their form already, and the table leaves such characters alone: NFKC and lower of a form is the form.
        done = np.zeros(len(plain), dtype=bool)
        done[asked] = True
        low = plain.codes < _PLANE
        mapped = images[np.where(low, plain.codes, 0)]
        return Codes(np.where(low & ~np.repeat(done, plain.lengths), mapped, plain.codes), plain.offsets)
    return Codes(images[codes], plain.offsets)


def bare(form: Codes) -> Codes:
    """Letters and digits only of a compatible form: equal for texts that differ in space, width or punctuation."""
    low = form.codes < _PLANE
    wanted = _alphanumeric_table()[np.where(low, form.codes, 0)]
    if not low.all():
        wanted = wanted & low
        high = np.flatnonzero(~low)
        wanted[high] = [chr(code).isalnum() for code in form.codes[high]]
    return form.where(wanted)


@cache
def _compatible_table() -> tuple[np.ndarray, np.ndarray]:
    """(kind, image) of each character of the first plane."""
    kinds, images = np.zeros(_PLANE, dtype=np.uint8), np.arange(_PLANE, dtype=np.uint32)
    for code in range(_PLANE):
        character = chr(code)
        form = unicodedata.normalize("NFKC", character).lower()
        if _combines(character) or character in "Σς" or len(form) != 1 or form.lower() != form:
            kinds[code] = _SEVERAL
        elif form != character:
            kinds[code], images[code] = (_SEVERAL, code) if _combines(form) else (_OTHER, ord(form))
    return kinds, images


def _combines(character: str) -> bool:
    """May it be joined with its neighbour by normalisation? Marks, and the vowels and finals of Hangul."""
    return (
        unicodedata.combining(character) > 0 or unicodedata.category(character).startswith("M") or "\u1100" <= character <= "\u11ff"
    )


@cache
def _alphanumeric_table() -> np.ndarray:
    return np.array([chr(code).isalnum() for code in range(_PLANE)])
