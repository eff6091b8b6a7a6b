"""N-gram perplexity over characters by KenLM: the text's normal form, the value, and the identity it carries.

perplexity = 10^(−log10 p / (n + 1)) with sentence begin and end, n = number of characters in the normal form.
Training and measuring share this form; another form with the same model file gives other numbers, so the identity names both.
"""

import re
from collections.abc import Iterator

import numpy as np

from kun.signals.forms import Codes, PerCharacter, compatible

FORM = "characters-nfkc-lower-digits0-v1"
# KenLM splits on ASCII space only, Python's split() on more; here every kind of space and control character ends a piece.
_APART = re.compile(r"[\s\x00-\x1f\x7f-\xa0\u200b-\u200f\u2028-\u202f\u2060-\u206f\u3000\ufeff]")
_DIGIT = re.compile(r"\d")


def characters(text: str) -> str:
    """The text as KenLM tokens: its characters in normal form, with single spaces between them; "" if none is left.

    One character is one token, so a literal `<s>` or `<unk>` in the text can never be taken for KenLM's special words.
    """
    return next(tokens_of(compatible([text])))


def tokens_of(form: Codes) -> Iterator[str]:
    """`characters` of many texts in compatible form."""
    mapped = _tokens(form.codes)
    kept = Codes(mapped, form.offsets).where(mapped > 0)
    spaced = np.full(2 * len(kept.codes), ord(" "), dtype=np.uint32)
    spaced[::2] = kept.codes
    for start, end in zip(kept.offsets[:-1].tolist(), kept.offsets[1:].tolist(), strict=True):
        yield spaced[2 * start : max(2 * end - 1, 2 * start)].tobytes().decode("utf-32-le")


def _token(character: str) -> int:
    """A character's token; 0 for one that is none."""
    return 0 if _APART.match(character) else ord("0") if _DIGIT.match(character) else ord(character)


_tokens = PerCharacter(_token, np.uint32)


def perplexity(model, text: str) -> float | None:
    """Perplexity of a text under a `kenlm.Model`; None for a text without any character."""
    return perplexity_of_tokens(model, characters(text))


def perplexity_of_tokens(model, tokens: str) -> float | None:
    """The same for a text that is in normal form already."""
    if not tokens:
        return None
    count = (len(tokens) + 1) // 2
    return 10.0 ** (-model.score(tokens, bos=True, eos=True) / (count + 1))


def identity(model_digest: str) -> str:
    """What a perplexity value must be compared under: normal form and model."""
    return f"{FORM}:{model_digest[:16]}"
