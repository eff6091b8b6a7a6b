"""A text as the words that KenLM counts: its characters, or its SentencePiece pieces; and how many there are.

KenLM cuts a line at ASCII white space and at nothing else, ends it at NUL, and takes `<s>`, `</s>` and `<unk>` for its own words. Python's
split() cuts at U+3000 and a dozen others too, so counting with it gives another n than KenLM had. Here words are made such that KenLM's
idea of them is ours: none is empty, none holds a place where KenLM would cut, none is special, and n is their number.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from kun.signals.forms import Codes, PerCharacter, compatible
from kun.signals.kenlm_forms import APART

# What KenLM takes for its own (in the two spellings that it knows), and what they become: words that no model has seen.
_SPECIAL = {"<s>": "‹s›", "</s>": "‹/s›", "<unk>": "‹unk›", "<UNK>": "‹UNK›"}
_CUT = re.compile(r"[\x00\t\v\f\r ]+")
_NEEDS_CARE = re.compile(r"[\x00\t\n\v\f\r<]")


class Line(NamedTuple):
    """A sentence for KenLM: its words with single spaces between them, and their number."""

    words: str
    count: int


# Characters


def characters(text: str) -> str:
    """The text's characters in kun's form with single spaces between them; "" if none is left.

    One character is one word, a run of Latin letters one `a` and a run of digits one `0`. So a literal `<s>` or `<unk>` in the text can
    never be taken for KenLM's special words.
    """
    return next(tokens_of(compatible([text])))


def tokens_of(form: Codes) -> Iterator[str]:
    """`characters` of many texts in compatible form."""
    seen = Codes(_tokens(form.codes), form.offsets)
    if (seen.codes == _INVISIBLE).any():
        seen = seen.where(seen.codes != _INVISIBLE)
    kept = seen.where((seen.codes != _SPACE) & ~_goes_on(seen))
    spaced = np.full(2 * len(kept.codes), ord(" "), dtype=np.uint32)
    spaced[::2] = kept.codes
    for start, end in zip(kept.offsets[:-1].tolist(), kept.offsets[1:].tolist(), strict=True):
        yield spaced[2 * start : max(2 * end - 1, 2 * start)].tobytes().decode("utf-32-le")


_SPACE, _INVISIBLE = 0, 1  # in place of a token, for what is none


def _token(character: str) -> int:
    """A character's token; all Latin letters have one, and all digits."""
    if APART.match(character):
        return _SPACE if character.isspace() else _INVISIBLE
    return ord("0") if character.isdecimal() else ord("a") if "a" <= character <= "z" else ord(character)


def _goes_on(seen: Codes) -> np.ndarray:
    """For each token, whether it is of the same Latin word or number as the one before it (bool)."""
    again = np.zeros(len(seen.codes), dtype=bool)
    again[1:] = (seen.codes[1:] == seen.codes[:-1]) & ((seen.codes[1:] == ord("a")) | (seen.codes[1:] == ord("0")))
    again[seen.offsets[:-1][seen.lengths > 0]] = False  # never from one text to the next
    return again


_tokens = PerCharacter(_token, np.uint32)


def line_of_tokens(tokens: str) -> list[Line]:
    """One line of words of one character each; none for a text without any."""
    return [Line(tokens, (len(tokens) + 1) // 2)] if tokens else []


def line_of_characters(text: str) -> list[Line]:
    """The characters of a text that is in its normal form already, whichever that is."""
    return line_of_tokens(" ".join(APART.sub("", text)))


# Pieces


def lines_of_pieces(pieces: list[str]) -> list[Line]:
    """The lines of words that KenLM is asked for; none for a text without words.

    A newline that came through normal form and SentencePiece ends a line, as it does for `query` and for datatrove; an empty line is a
    sentence of no words. Other places where KenLM would cut, NUL among them, are borders between words.
    """
    line = " ".join(pieces)
    if not _NEEDS_CARE.search(line) and line.count(" ") == len(pieces) - 1:
        return [Line(line, len(pieces))]
    cut = [[_SPECIAL.get(word, word) for word in _CUT.split(part) if word] for part in line.split("\n")]
    return [Line(" ".join(words), len(words)) for words in cut] if any(cut) else []


@lru_cache(maxsize=2)
def piece_model(path: str) -> Any:
    """A SentencePiece model. Raises ValueError, naming the file, for one that cannot be read."""
    import sentencepiece

    try:
        return sentencepiece.SentencePieceProcessor(model_file=path)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{path} is no SentencePiece model ({error}); see perplexity.kenlm.sentencepiece") from None
