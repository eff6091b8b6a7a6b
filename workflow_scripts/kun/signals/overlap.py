"""How much of an answer comes from its text: copied word for word, or at least about the same things.

Compared are letters and digits alone, one character for one: lower case, ordinary width, Simplified. So a copy is one in whatever script
or punctuation. (NFKC of whole texts would do little more, and costs the square of a crowd of combining marks.)
"""

import unicodedata
from functools import cache

import numpy as np

from kun.signals.characters import is_han
from kun.signals.forms import Codes, PerCharacter
from kun.signals.grams import grams

COPIED_GRAM = 13  # characters: longer than names and set phrases, which anyone who writes about the same thing repeats
_OWNER = np.uint64(44)  # bits that an n-gram's number keeps beside the number of its text


def folded(form: Codes) -> Codes:
    """Letters and digits in lower case, ordinary width and Simplified, character by character."""
    codes = _folded()(form.codes)
    return Codes(codes, form.offsets).where(_counts(codes))


def copied_shares(answers: Codes, texts: Codes) -> np.ndarray:
    """For each answer the share of its characters that lie in n-grams of COPIED_GRAM which its text holds; float64.

    Both folded. 0 for an answer shorter than an n-gram.
    """
    found = grams(answers, COPIED_GRAM)
    held = np.isin(_owned(found), _owned(grams(texts, COPIED_GRAM)))
    # Where the answer's n-grams begin: each text's are its characters but the last COPIED_GRAM - 1.
    starts = np.arange(len(held)) + np.repeat(answers.offsets[:-1] - found.offsets[:-1], found.lengths)
    steps = np.zeros(len(answers.codes) + 1, dtype=np.int64)
    steps[starts[held]] += 1
    steps[starts[held] + COPIED_GRAM] -= 1
    covered = np.concatenate(([0], np.cumsum(np.cumsum(steps[:-1]) > 0)))
    counts = covered[answers.offsets[1:]] - covered[answers.offsets[:-1]]
    return np.divide(counts, answers.lengths, out=np.zeros(len(answers)), where=answers.lengths > 0)


def related_shares(answers: Codes, texts: Codes) -> list[float | None]:
    """For each answer the share of its pairs of neighbouring Han characters that its text holds; None where it has none. Both folded."""
    owners, pairs = _han_pairs(answers)
    held = np.isin(pairs, _han_pairs(texts)[1])
    totals, counts = (np.bincount(owners[which], minlength=len(answers)) for which in (slice(None), held))
    return [count / total if total else None for count, total in zip(counts.tolist(), totals.tolist(), strict=True)]


def _owned(found: Codes) -> np.ndarray:
    """n-grams' numbers, with their text's number in front: equal only within a pair of answer and text."""
    return found.owners().astype(np.uint64) << _OWNER | found.codes >> (np.uint64(64) - _OWNER)


def _han_pairs(form: Codes) -> tuple[np.ndarray, np.ndarray]:
    """(numbers of the texts, pairs with their text's number in front)."""
    owners, han = form.owners(), is_han(form.codes)
    places = np.flatnonzero(han[:-1] & han[1:] & (owners[:-1] == owners[1:]))
    first, second, owner = (part.astype(np.uint64) for part in (form.codes[places], form.codes[places + 1], owners[places]))
    return owners[places], owner << np.uint64(42) | first << np.uint64(21) | second


@cache
def _folded() -> PerCharacter:
    """Made when the first answer needs it: OpenCC reads its dictionaries."""
    from kun.corpus.traditional import simplified

    han = list(map(chr, np.flatnonzero(is_han(np.arange(0x10000, dtype=np.uint32)))))
    ordinary = dict(zip(han, simplified("\n".join(han)).split("\n"), strict=True))

    def fold(character: str) -> int:
        form = unicodedata.normalize("NFKC", character).lower()
        form = ordinary.get(form, form)
        return ord(form) if len(form) == 1 else ord(character)

    return PerCharacter(fold, np.uint32)


_counts = PerCharacter(str.isalnum, bool)
