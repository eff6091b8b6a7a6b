"""What a text's characters are: the shares of Han, digits, punctuation and what cannot be read."""

import unicodedata

import numpy as np

from kun.signals.forms import Codes, PerCharacter

_OTHER, _HAN, _LETTER, _DIGIT, _PUNCTUATION, _SPACE, _GARBLED = range(7)
_KINDS = 7
_HAN_RANGES = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))


def shares(form: Codes) -> dict[str, np.ndarray]:
    """Columns han_share (of the letters), digit_share, punctuation_share, garbled_share (of all but white space); float32."""
    cells = np.repeat(np.arange(len(form)) * _KINDS, form.lengths) + _kinds(form.codes)
    counts = np.bincount(cells, minlength=len(form) * _KINDS).reshape(len(form), _KINDS)
    letters, visible = counts[:, _HAN] + counts[:, _LETTER], form.lengths - counts[:, _SPACE]
    return {
        "han_share": _ratio(counts[:, _HAN], letters),
        "digit_share": _ratio(counts[:, _DIGIT], visible),
        "punctuation_share": _ratio(counts[:, _PUNCTUATION], visible),
        "garbled_share": _ratio(counts[:, _GARBLED], visible),
    }


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0).astype(np.float32)


def _kind(character: str) -> int:
    if any(first <= ord(character) <= last for first, last in _HAN_RANGES):
        return _HAN
    if character == "\ufffd":
        return _GARBLED
    if character.isspace():
        return _SPACE
    if character.isalpha():
        return _LETTER
    category = unicodedata.category(character)
    return _DIGIT if category == "Nd" else _PUNCTUATION if category.startswith("P") else _OTHER


_kinds = PerCharacter(_kind, int)


def is_han(codes: np.ndarray) -> np.ndarray:
    """For each code point (uint32) whether it is a Han character."""
    return _kinds(codes) == _HAN
