"""The label role: which instruction does this text answer?"""

import re
from collections.abc import Sequence

from kun.completions.requests import Completion
from kun.corpus.normalise import bare, readable
from kun.roles.outcome import Outcome, unusable
from kun.settings.corpus import AS_WRITTEN

_PREFIX = re.compile(r"^(?:指令|问题|提问|任务|Instruction)\s*[:：]\s*")
_QUOTES = {"“": "”", '"': '"', "「": "」", "『": "』", "'": "'", "【": "】"}


def instruction_of(completion: Completion, echo: frozenset[str] = frozenset()) -> Outcome:
    """The instruction in a completion: its first paragraph without prefix and quotes. Later paragraphs repeat it or answer it. `echo`: lines of
    the prompt, which are not what was asked for."""
    if outcome := unusable(completion):
        return outcome
    lines = [line for line in readable(completion.text, AS_WRITTEN).splitlines() if line.strip() not in echo]
    paragraphs = re.split(r"\n\s*\n", _PREFIX.sub("", "\n".join(lines).strip()))
    text = paragraphs[0].strip()
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
        text = _PREFIX.sub("", text[1:-1].strip()).strip()
    return Outcome("parsed", text) if any(map(str.isalnum, text)) else Outcome("unparsed", detail="no instruction in it")


def different(outcomes: Sequence[Outcome]) -> list[int]:
    """Places of the instructions that are unlike those before them, punctuation and spaces aside."""
    seen: set[str] = set()
    places = []
    for place, outcome in enumerate(outcomes):
        if outcome.kind == "parsed" and bare(outcome.text) not in seen:
            seen.add(bare(outcome.text))
            places.append(place)
    return places
