"""The longest stretch of a text that is one unit said again and again, back to back: what a model writes when it no longer ends.

The share of repeated n-grams does not see it in a long good answer: forty characters of three thousand. A stretch counts when a unit of
1 to LONGEST_UNIT characters stands three times or more in a row; the last time may be cut short. A unit needs a letter of any script (Han
among them) or a pictograph: dots, dashes, blanks, rules of tables and digits (……, ————, 1000000, | --- | --- |) repeat by their nature.
"""

import numpy as np

from kun.signals.forms import Codes, PerCharacter

LONGEST_UNIT = 64  # characters; longer things said twice are found by the share of repeated n-grams
TIMES = 3
_BORDER = 0x110000  # from here on no code is a character
_PICTOGRAPHS = 0x1F000


def longest_loops(form: Codes) -> np.ndarray:
    """For each text the length of its longest loop, in characters (int64); 0 without one. LONGEST_UNIT passes over the batch."""
    longest = np.zeros(len(form), dtype=np.int64)
    # After each text stands a code that is nowhere else, so no stretch runs on into the next text.
    borders = form.offsets[1:] + np.arange(len(form))
    codes = np.insert(form.codes, form.offsets[1:], _BORDER + np.arange(len(form), dtype=np.uint32))
    speaks = np.concatenate(([0], np.cumsum(_speaks(np.minimum(codes, _BORDER - 1)))))
    for unit in range(1, min(LONGEST_UNIT, len(codes) - 1) + 1):
        # A stretch of period `unit` is a run of places that equal the place a unit further on.
        same = np.flatnonzero(codes[unit:] == codes[:-unit])
        if not len(same):
            continue
        ends = np.flatnonzero(np.diff(same) > 1)
        firsts, lasts = same[np.concatenate(([0], ends + 1))], same[np.concatenate((ends, [len(same) - 1]))]
        lengths = lasts - firsts + 1 + unit
        loops = (lengths >= TIMES * unit) & (speaks[firsts + unit] > speaks[firsts])
        np.maximum.at(longest, np.searchsorted(borders, firsts[loops]), lengths[loops])
    return longest


_speaks = PerCharacter(lambda character: character.isalpha() or ord(character) >= _PICTOGRAPHS, bool)
