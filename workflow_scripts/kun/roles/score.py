"""The score role: a verdict on the instruction alone, read from the probabilities of two one-token words.

score = p(good) / (p(good) + p(bad)); `outside` = 1 − p(good) − p(bad) says how much the model wanted to say something else.
"""

from math import exp

from kun.completions.requests import Completion


def verdict(completion: Completion) -> tuple[float, float]:
    """(score, outside), both in 0..1, of a completion whose `logprobs` are those of good and bad, in this order."""
    good, bad = completion.logprobs
    likelier = max(good, bad)  # taken out first: both may be too small for a float
    score = exp(good - likelier) / (exp(good - likelier) + exp(bad - likelier))
    return score, max(0.0, 1.0 - exp(good) - exp(bad))
