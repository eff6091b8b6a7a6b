"""Which answers become pairs."""

from kun.corpus.normalise import bare
from kun.selection.phrases import ANSWERS, compiled, first_hit
from kun.settings.roles import Answers
from kun.signals.forms import codes_of
from kun.signals.repetition import repeated_grams

GRAM = 8  # characters


class AnswerRules:
    """`reason_to_drop` per answer; made once per job because the patterns are compiled."""

    def __init__(self, settings: Answers):
        self.settings = settings
        self.patterns = compiled(ANSWERS[settings.rules])

    def reason_to_drop(self, instruction: str, answer: str) -> tuple[str, str] | None:
        """(reason, detail), or None for an answer that stays."""
        if len(answer) < self.settings.min_characters:
            return "answer_short", f"{len(answer)} characters"
        if bare(answer) == bare(instruction):
            return "answer_echo", "it repeats the instruction"
        if (share := repeated_share(answer)) > self.settings.max_repetition:
            return "answer_repetition", f"{share:.2f} of its {GRAM}-grams are repeats"
        if hit := first_hit(answer, self.patterns):
            return "answer_words", hit[1]
        return None


def repeated_share(text: str) -> float:
    """Share of a text's character 8-grams that already occurred in it; 0 for a text shorter than two of them."""
    return float(repeated_grams(codes_of([text]), GRAM)[0])
