"""What became of a completion: a value, or the word for why there is none. The raw text is kept beside it either way."""

from dataclasses import dataclass
from typing import Literal

from kun.completions.requests import Completion

Kind = Literal["parsed", "unparsed", "refused", "truncated", "failed"]


@dataclass(frozen=True)
class Outcome:
    kind: Kind
    text: str = ""
    detail: str = ""


REFUSALS = (
    "抱歉，",
    "很抱歉",
    "非常抱歉",
    "对不起，",
    "很遗憾，我",
    "我无法",
    "我不能",
    "作为一个人工智能",
    "作为一个AI",
    "作为AI",
)


def unusable(completion: Completion) -> Outcome | None:
    """The outcome of a completion that needs no parsing: failed, cut off at max_tokens, or a refusal at its very start."""
    if completion.finish == "failed":
        return Outcome("failed", detail=completion.text)
    if completion.finish == "length":
        return Outcome("truncated", detail=f"{completion.output_tokens} tokens without an end")
    if completion.text.lstrip().startswith(REFUSALS):
        return Outcome("refused", detail=completion.text.strip()[:40])
    return None
