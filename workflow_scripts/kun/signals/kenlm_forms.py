"""Normal forms of a text, for KenLM: a model must be asked in the form that it was trained on, or its numbers mean something else.

`kun` takes NFKC, lower case, a run of Latin letters as one a and a run of digits as one 0, spaces of all kinds as one, and nothing that
cannot be seen. (Letter by letter, a foreign word predicts itself and makes any text around it look fluent: docs/perplexity.md.) `ccnet`
is what CCNet trained its published models on (its text_normalizer.normalize, as its pipeline calls it), `datatrove` is datatrove's version
of that, which writes a whole number as one 0. `none` leaves a text as it is.
"""

import re
import unicodedata
from collections.abc import Callable

# Every kind of space, control characters, and characters that show nothing.
_APART = r"\s\x00-\x1f\x7f-\xa0\u200b-\u200f\u2028-\u202f\u2060-\u206f\u3000\ufeff"
APART, SEEN = re.compile(f"[{_APART}]"), re.compile(f"[^{_APART}]")  # these, and all others
# CCNet's table as published. Full-width １ is in it as a quotation mark, which is a slip of theirs and has no effect,
# because digits are 0 before the table is asked. Whoever maps punctuation first turns １２ into "0 and measures something else.
_PUNCTUATION = str.maketrans(
    "，、。„”“«»１」「《》´’∶：？！（）；–━►～〈〉【】％",
    ',,.""""""""""\'\'::?!();---~<>[]%',
) | {ord("—"): " - ", ord("．"): ". ", ord("…"): "..."}
_NUMBER = re.compile(r"\d+(?:[.,،٫⎖⎗⎘]\d+)?")
_RUN = re.compile(r"[a-z]+|0+")


class _Table(dict):
    """For str.translate: what each character becomes, asked once a character."""

    def __init__(self, image: Callable[[str], str | int]):
        self.image = image

    def __missing__(self, code: int) -> str | int:
        return self.setdefault(code, self.image(chr(code)))


def _kun_image(character: str) -> str:
    if character.isspace():
        return " "
    return "" if APART.match(character) else "0" if character.isdecimal() else character


def _ccnet_image(character: str) -> str | int:
    if character.isdecimal():
        return "0"
    control = character < " " or "\x7f" <= character < "\xa0"
    return "" if control or _is_mark(character) else _PUNCTUATION.get(ord(character), character)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character) == "Mn"


_kun = _Table(_kun_image)
_ccnet = _Table(_ccnet_image)
_without_marks = _Table(lambda character: "" if _is_mark(character) else character)


def kun(text: str) -> str:
    """Without its spaces it is the form whose characters `tokens_of` (kenlm_words.py) makes of many texts at once."""
    return kun_of_compatible(unicodedata.normalize("NFKC", text).lower())


def kun_of_compatible(text: str) -> str:
    """The rest of it for a text in NFKC and lower case: `compatible` (forms.py) does that for many texts at once."""
    plain = " ".join(text.translate(_kun).split())
    return _RUN.sub(lambda run: "a" if run[0][0] > "9" else "0", plain)


def ccnet(text: str) -> str:
    """Stripped, in lower case, without accents, each digit 0, punctuation by CCNet's table, without control characters.

    A newline is a control character: lines are joined without a space, and the text is one sentence. Hangul stays decomposed.
    """
    return unicodedata.normalize("NFD", text.strip().lower()).translate(_ccnet)


def datatrove(text: str) -> str:
    """As `ccnet`, but 2021 and 3.14 become 0, where CCNet has 0000 and 0.00: numbers as CCNet's models never saw them."""
    unnumbered = unicodedata.normalize("NFD", _NUMBER.sub("0", text.lower()))
    return unnumbered.translate(_without_marks).strip().translate(_ccnet)


def as_it_is(text: str) -> str:
    return text


# The figure rises when a form changes: values of before and after then carry different identities.
NORMALISERS: dict[str, tuple[str, Callable[[str], str]]] = {
    "kun": ("kun2", kun),
    "ccnet": ("ccnet1", ccnet),
    "datatrove": ("datatrove1", datatrove),
    "none": ("none", as_it_is),
}
