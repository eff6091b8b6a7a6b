"""Perplexity under a causal language model: from what the model read to the value, and the identity it carries.

perplexity = exp(−ln p / n), over the n tokens that were read of the text as it is written; the token that begins a document is not
scored and the end is not predicted. How long texts are read is stated at `kun.completions.requests.Read`.
"""

from math import exp

LARGEST = 80.0  # its exponential still fits a float32


def perplexity(total: float, tokens: int) -> float | None:
    """Perplexity of `tokens` tokens whose natural log-probabilities sum up to `total`; None for a text without tokens."""
    return exp(min(-total / tokens, LARGEST)) if tokens else None


def identity(model_fingerprint: str, tokens: int, stride: int | None) -> str:
    """What a value must be compared under: normal form (none), model with its tokenizer, rule for long texts."""
    rule = f"first{tokens}" if stride is None else f"strided{tokens}-{stride}"
    return f"as-written:{model_fingerprint[:16]}:{rule}"
