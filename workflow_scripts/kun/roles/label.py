"""The label role: which instruction does this text answer?"""

import re

from kun.completions.requests import Completion
from kun.corpus.normalise import readable
from kun.roles.outcome import Outcome, unusable
from kun.settings.corpus import AS_WRITTEN

_PREFIX = re.compile(r"^(?:指令|问题|提问|任务|Instruction)\s*[:：]\s*")
_QUOTES = {"“": "”", '"': '"', "「": "」", "『": "』", "'": "'", "【": "】"}


def instruction_of(completion: Completion) -> Outcome:
    """The instruction in a completion: its first paragraph without prefix and quotes. Later paragraphs repeat it or answer it."""
    if outcome := unusable(completion):
        return outcome
    paragraphs = re.split(r"\n\s*\n", _PREFIX.sub("", readable(completion.text, AS_WRITTEN)).strip())
    text = paragraphs[0].strip()
    if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] and text[0] not in text[1:-1]:
        text = _PREFIX.sub("", text[1:-1].strip()).strip()
    return Outcome("parsed", text) if any(map(str.isalnum, text)) else Outcome("unparsed", detail="no instruction in it")
