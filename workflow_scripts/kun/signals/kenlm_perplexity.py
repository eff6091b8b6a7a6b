"""N-gram perplexity over characters by KenLM: the text's normal form, the value, and the identity it carries.

perplexity = 10^(−log10 p / (n + 1)) with sentence begin and end, n = number of characters in the normal form.
Training and measuring share this form; another form with the same model file gives other numbers, so the identity names both.
"""

import re
import unicodedata

FORM = "characters-nfkc-lower-digits0-v1"
# KenLM splits on ASCII space only, Python's split() on more; here every kind of space and control character ends a piece.
_APART = re.compile(r"[\s\x00-\x1f\x7f-\xa0\u200b-\u200f\u2028-\u202f\u2060-\u206f\u3000\ufeff]+")
_DIGIT = re.compile(r"\d")


def characters(text: str) -> str:
    """The text as KenLM tokens: its characters in normal form, with single spaces between them; "" if none is left.

    One character is one token, so a literal `<s>` or `<unk>` in the text can never be taken for KenLM's special words.
    """
    form = unicodedata.normalize("NFKC", text).lower()
    return " ".join(_DIGIT.sub("0", _APART.sub("", form)))


def perplexity(model, text: str) -> float | None:
    """Perplexity of a text under a `kenlm.Model`; None for a text without any character."""
    tokens = characters(text)
    if not tokens:
        return None
    count = (len(tokens) + 1) // 2
    return 10.0 ** (-model.score(tokens, bos=True, eos=True) / (count + 1))


def identity(model_digest: str) -> str:
    """What a perplexity value must be compared under: normal form and model."""
    return f"{FORM}:{model_digest[:16]}"
