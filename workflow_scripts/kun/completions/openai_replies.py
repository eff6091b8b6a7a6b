"""What servers of different makes want to be told, and how they say the same thing."""

from dataclasses import dataclass
from typing import Any

from kun.completions.openai_calls import GivenUp, Refused
from kun.completions.requests import Choose, Completion, Generate, seed_of

LIKELIEST = 20  # log-probabilities that servers give at most
LEAST = -9990.0  # vLLM's way to say minus infinity in JSON is -9999


@dataclass(frozen=True)
class Served:
    """The model as servers have it: the name to ask for, their make ("" if unknown), their version in words, and the context in tokens."""

    name: str
    make: str
    version: str
    context: int | None


def drawing(decoding: Generate, key: str, make: str, max_tokens: int) -> dict[str, Any]:
    """How text is to be drawn. Servers take what is not said from the model's folder, so all is said that a make is known to read."""
    penalty = decoding.repetition_penalty
    own: dict[str, dict[str, Any]] = {
        "vllm": {"top_k": 0, "min_p": 0.0, "repetition_penalty": penalty},
        "sglang": {"top_k": -1, "min_p": 0.0, "repetition_penalty": penalty},
        "llamacpp": {"top_k": 0, "min_p": 0.0, "repeat_penalty": penalty, "repeat_last_n": -1},
    }
    seed = seed_of(key)
    return {
        "max_tokens": max_tokens,
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "seed": seed & 0x7FFFFFFF if make == "llamacpp" else seed,
        **own.get(make, {"repetition_penalty": penalty} if penalty != 1 else {}),
    }


def failed(refused: Refused, prompt_tokens: int = 0, cut: int | None = None) -> Completion:
    """The answer to a request that the server refused. Raises GivenUp where it would refuse all for the same reason."""
    if "repetition_penalty" in refused.words or "repeat_penalty" in refused.words:
        raise GivenUp(
            f"{refused}. This server knows no repetition penalty: set label.decoding.repetition_penalty and "
            "polish.decoding.repetition_penalty to 1"
        )
    return Completion(str(refused), "failed", prompt_tokens, 0, cut=cut)


def tokens_drawn(reply: dict[str, Any]) -> int:
    return int((reply.get("usage") or {}).get("completion_tokens") or 0)


def likeliest(choice: dict[str, Any]) -> dict[str, float]:
    """Log-probabilities of the first token drawn and of others in its place, by the names that the server has for them."""
    stated = choice.get("logprobs") or {}
    found: dict[str, float] = {}
    for first in (stated.get("content") or [])[:1]:  # as for chats
        for entry in [*(first.get("top_logprobs") or []), first]:
            found.setdefault(str(entry["token"]), float(entry["logprob"]))
            if "id" in entry:
                found.setdefault(f"token_id:{entry['id']}", float(entry["logprob"]))
    for others in (stated.get("top_logprobs") or [])[:1]:  # as for completions
        found |= {str(name): float(value) for name, value in (others or {}).items()}
    for name, value in zip((stated.get("tokens") or [])[:1], (stated.get("token_logprobs") or [])[:1], strict=False):
        found.setdefault(str(name), float(value))
    return {name: value if value > LEAST else float("-inf") for name, value in found.items()}


def not_among(word: str, found: dict[str, float], prompt_tokens: int, cut: int | None) -> Completion:
    reason = (
        f"the verdict {word} is not among the {LIKELIEST} likeliest tokens" if found else "the server gives no log-probabilities"
    )
    return Completion(reason, "failed", prompt_tokens, 0, cut=cut)


def names_of(tokenizer: Any, choose: Choose, tokens: list[int] | None) -> list[set[str]]:
    """By which names a server may call each verdict."""
    if tokens is None:
        return [{word} for word in choose.among]
    return [
        {f"token_id:{token}", word, tokenizer.decode([token]), str(tokenizer.convert_ids_to_tokens(token))}
        for word, token in zip(choose.among, tokens, strict=True)
    ]


def value_of(names: set[str], token: int | None, found: dict[str, float]) -> float | None:
    """The log-probability under the token's number if there is one, else under one of its names."""
    exact = found.get(f"token_id:{token}")
    return exact if exact is not None else max((found[name] for name in names if name in found), default=None)
