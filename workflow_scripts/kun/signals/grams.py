"""Character n-grams of many texts as 64-bit numbers, a batch at once.

A number is a polynomial of the n characters, modulo 2⁶⁴, stirred by splitmix64's finaliser: it depends on the characters alone. Among
ten million different n-grams the chance that any two share a number is 3 in a million.
"""

import numpy as np

from kun.signals.forms import Codes

_BASE = np.uint64(0x9E3779B97F4A7C15)


def grams(form: Codes, size: int) -> Codes:
    """The n-grams of each text, in order, as uint64; none crosses a text's border, and a text shorter than `size` has none."""
    counts = np.maximum(form.lengths - (size - 1), 0)
    offsets = np.concatenate(([0], np.cumsum(counts)))
    if not offsets[-1]:
        return Codes(np.zeros(0, dtype=np.uint64), offsets)
    numbers = _rolled(form.codes, size)
    # The n-grams that begin in a text's last size - 1 characters run into the next text.
    inside = np.ones(len(numbers), dtype=bool)
    for back in range(1, size):
        border = form.offsets[1:] - back
        inside[border[(border >= form.offsets[:-1]) & (border < len(numbers))]] = False
    return Codes(stirred(numbers[np.flatnonzero(inside)]), offsets)


def _rolled(codes: np.ndarray, size: int) -> np.ndarray:
    """The polynomials, of halves: those of 2k characters are made of two of k, and one of k + 1 characters of one of k and a character."""
    plain = codes.astype(np.uint64)
    plain += np.uint64(1)  # else NULs at the beginning would not count
    numbers, width = plain, 1
    for bit in bin(size)[3:]:
        numbers, width = _beside(numbers, numbers[width:], width), 2 * width
        if bit == "1":
            numbers, width = _beside(numbers, plain[width:], 1), width + 1
    return numbers


def _beside(left: np.ndarray, right: np.ndarray, width: int) -> np.ndarray:
    """The polynomials of what begins with `left` and goes on with `right`, of `width` characters, which is not longer."""
    both = left[: len(right)] * np.uint64(pow(int(_BASE), width, 1 << 64))
    both += right
    return both


def stirred(numbers: np.ndarray) -> np.ndarray:
    """Spread numbers over all 64 bits (Steele, Lea and Flood 2014, splitmix64)."""
    numbers = numbers ^ (numbers >> np.uint64(30))
    numbers *= np.uint64(0xBF58476D1CE4E5B9)
    numbers ^= numbers >> np.uint64(27)
    numbers *= np.uint64(0x94D049BB133111EB)
    numbers ^= numbers >> np.uint64(31)
    return numbers
