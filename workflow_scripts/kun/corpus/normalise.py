"""Two normal forms of a text: the readable one that people and models see, and the bare one that tells equal texts apart.

The readable form keeps Chinese punctuation and full-width signs; it takes away what nobody sees (control and zero-width characters,
trailing space) and writes full-width letters and digits as ordinary ones.
"""

import re
import unicodedata

# Full-width digits and letters only: NFKC on everything would turn ，：；！？ into their ASCII counterparts.
_HALF_WIDTH = {wide: wide - 0xFEE0 for first, last in ("０９", "ＡＺ", "ａｚ") for wide in range(ord(first), ord(last) + 1)}
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_BLANK_AT_ENDS = re.compile(r"^[^\S\n]+|[^\S\n]+$", re.MULTILINE)
_MANY_BLANK_LINES = re.compile(r"\n{3,}")


def _unseen(character: str) -> bool:
    """Control, format (zero-width, direction marks), surrogate and private characters; new line, tab and the joiner of emoji stay.

    Unassigned ones stay too: which they are depends on Python's Unicode version, and a text's id must not.
    """
    return unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co") and character not in "\n\t\u200d"


class _Unseen(dict):
    """A translation table that decides on each character once."""

    def __missing__(self, code: int) -> int | None:
        self[code] = None if _unseen(chr(code)) else code
        return self[code]


_READABLE = _Unseen(_HALF_WIDTH)


def readable(text: str) -> str:
    """The text as people should read it; "" if nothing is left. Applying it twice changes nothing."""
    text = _LINE_ENDS.sub("\n", text).translate(_READABLE)
    text = unicodedata.normalize("NFC", text)
    text = _BLANK_AT_ENDS.sub("", text)
    return _MANY_BLANK_LINES.sub("\n\n", text).strip()


def bare(text: str) -> str:
    """Letters and digits only, compatibility forms unified, lower case: equal for texts that differ in space, width or punctuation."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).lower()))
