"""A prompt that does not fit into a model's context: what is cut is the text that it shows, at a sentence end, never the instruction."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

import regex

from kun.completions.requests import Choose, Generate, Message, Request

# Where a text may end, best first: after a sentence (closing quotes belong to it) or a line, after a clause, anywhere.
ENDS = (
    re.compile(r"[。！？!?…；;]+[”’」』）)\"]*|\.(?=\s)|\n"),
    re.compile(r"[，,、：:]"),
    re.compile(r"(?s)."),
)


@dataclass(frozen=True)
class Fitted:
    """Token ids of a prompt, and how many characters of its text they show (None: all)."""

    prompt: list[int]
    cut: int | None = None


def room_for_completion(context: int, decoding: Generate | Choose) -> int:
    """Tokens that a completion may have: all that it may use, or half of the context where that is less. The same for every prompt, so
    that no answer depends on others' lengths."""
    return min(decoding.max_tokens if isinstance(decoding, Generate) else 1, max(1, context // 2))


def fitted(request: Request, room: int, encode: Callable[[tuple[Message, ...]], list[int]]) -> Fitted:
    """The prompt with as much of the text as `room` tokens hold; no character that is made of several is taken apart. It is longer than
    `room`, and whole, where nothing of the text fits: a model is not asked about a text that it does not see."""
    prompt = encode(request.messages)
    if len(prompt) <= room or request.shown is None:
        return Fitted(prompt)
    if len(encode(request.shown.messages(""))) > room:
        return Fitted(prompt)
    text = request.shown.text
    whole = set(accumulate(map(len, regex.findall(r"\X", text))))  # where one character, with its marks and joined ones, ends
    for end in ENDS:
        cuts = [found.end() for found in end.finditer(text)]
        cuts = [cut for cut in cuts if cut < len(text) and cut in whole]
        best = None
        low, high = 0, len(cuts)  # the cuts before `low` fit, those from `high` on do not
        while low < high:
            middle = (low + high) // 2
            tried = encode(request.shown.messages(text[: cuts[middle]]))
            if len(tried) <= room:
                low, best = middle + 1, Fitted(tried, cuts[middle])
            else:
                high = middle
        if best:
            return best
    return Fitted(prompt)
