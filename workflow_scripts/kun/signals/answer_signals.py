"""What is measured on an answer, beside its text and its instruction: a column each. Nothing is decided here.

All columns but `answer_tail` are of the answer without its tail. Time is linear in the length of answer and text.
"""

from typing import Any

import numpy as np

from kun.signals.answer_tails import parted
from kun.signals.characters import shares
from kun.signals.forms import Codes, codes_of
from kun.signals.language import language
from kun.signals.loops import longest_loops
from kun.signals.new_items import new_items
from kun.signals.overlap import copied_shares, folded, related_shares
from kun.signals.repetition import repeated_grams


def answer_columns(language_model: Any, texts: list[str], instructions: list[str], outputs: list[str]) -> dict[str, list]:
    """A value for each of the outputs; `language_model` is fastText's. `answer_body` is the output without its tail."""
    parts = [parted(*two) for two in zip(outputs, instructions, strict=True)]
    bodies, tails = [body for body, _ in parts], [tail for _, tail in parts]
    plain = codes_of(bodies)
    bare_answers, bare_texts, bare_instructions = folded(plain), folded(codes_of(texts)), folded(codes_of(instructions))
    new = [new_items(*three) for three in zip(bodies, texts, instructions, strict=True)]
    return {
        "answer_body": bodies,
        "answer_characters": [len(body) for body in bodies],
        "answer_ratio": [len(body) / max(len(text), 1) for body, text in zip(bodies, texts, strict=True)],
        "answer_han_share": shares(plain)["han_share"].tolist(),
        "answer_language": [language(language_model, body)[0] for body in bodies],
        "answer_repetition": repeated_grams(plain).tolist(),
        "answer_loop": longest_loops(plain).tolist(),
        "answer_echo": echo_shares(bare_answers, bare_instructions),
        "answer_copied": copied_shares(bare_answers, bare_texts).tolist(),
        "answer_related": related_shares(bare_answers, bare_texts),
        "answer_new": [" ".join(items) for items in new],
        "answer_new_count": [len(items) for items in new],
        "answer_tail": tails,
    }


def echo_shares(answers: Codes, instructions: Codes) -> list[float]:
    """For each answer how much of it, from the beginning, is the beginning of its instruction: 1.0 repeats it and says no more."""
    found = []
    for number in range(len(answers)):
        answer, instruction = (form.codes[form.offsets[number] : form.offsets[number + 1]] for form in (answers, instructions))
        both = min(len(answer), len(instruction))
        unequal = np.flatnonzero(answer[:both] != instruction[:both])
        found.append((int(unequal[0]) if len(unequal) else both) / max(len(answer), 1))
    return found
