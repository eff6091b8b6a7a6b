"""The score role: a verdict on an instruction, or on an instruction with its text, read from the probabilities of one-token words.

score = Σ p(word)·value(word) / Σ p(word), an expected value among the words: p(好) for the binary rubric, 1 to 5 for a rubric of five.
`outside` = 1 − Σ p(word) says how much the model wanted to say something else. Nothing is drawn, so the verdict is deterministic.
"""

from collections.abc import Sequence
from math import exp, expm1, fsum, isfinite, log
from pathlib import Path
from typing import Any

from kun.books.digests import digest, digest_of_value
from kun.books.tables import Row
from kun.completions.requests import Choose, Completion, Request
from kun.roles.prompt import read_prompt, request_with
from kun.settings.roles import Judging

SHOWN = {"instruction": ("instruction",), "pair": ("instruction", "text")}  # target: the columns of a record that the prompt shows


class Judge:
    """A model with a question: what it is asked about a record, what its answer is worth, and `identity`, which tells it from others.

    Scores of two judges must never be cut at the same number: the identity travels with the column.
    """

    def __init__(self, prompt: Path, settings: Judging, model: dict[str, Any]):
        """`model` is a model's description. Raises BadPrompt."""
        self.shown = SHOWN[settings.target]
        self.prompt = read_prompt(prompt, *self.shown)
        self.words, self.values = zip(*settings.worth().items(), strict=True)
        self.identity = digest(
            model["fingerprint"],
            prompt.read_bytes(),
            settings.target,
            digest_of_value([[*pair] for pair in settings.worth().items()]),
            *([model["system"]] if model.get("system") else []),
        )

    def request(self, row: Row) -> Request:
        return request_with(self.prompt, Choose(self.words), **{column: row[column] for column in self.shown})

    def verdict(self, completion: Completion) -> tuple[float, float]:
        """(score, outside) of an answer to such a request."""
        return verdict(completion.logprobs, self.values)


def verdict(logprobs: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """(score, outside) of words whose natural log-probabilities are `logprobs`: the score within the values, outside in 0..1.

    Raises ValueError where no word has any probability: there is nothing to weigh then.
    """
    likeliest = max(logprobs)
    weights = [exp(value - likeliest) for value in logprobs]  # the likeliest taken out: all may be too small for a float
    total = fsum(weights)
    if not isfinite(total):
        raise ValueError(f"no verdict can be read from the log-probabilities {list(logprobs)}")
    score = fsum(weight * value for weight, value in zip(weights, values, strict=True)) / total
    outside = -expm1(likeliest + log(total))  # rounding may put the words' mass a little above 1
    return min(max(score, min(values)), max(values)), max(0.0, outside)
