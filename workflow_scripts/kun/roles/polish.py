"""The polish role: from a text and the instruction it was given to an answer that fits the instruction."""

from kun.completions.requests import Completion
from kun.corpus.normalise import readable
from kun.roles.outcome import Outcome, unusable
from kun.settings.corpus import AS_WRITTEN


def answer_of(completion: Completion) -> Outcome:
    """The answer in a completion."""
    if outcome := unusable(completion):
        return outcome
    text = readable(completion.text, AS_WRITTEN)
    return Outcome("parsed", text) if any(map(str.isalnum, text)) else Outcome("unparsed", detail="no answer in it")
