"""Which instructions go on to be answered."""

from kun.selection.phrases import INSTRUCTIONS, compiled, first_hit
from kun.settings.roles import Instructions


class InstructionRules:
    """`reason_to_drop` per instruction; made once per job because the patterns are compiled."""

    def __init__(self, settings: Instructions, threshold: float | None):
        self.settings, self.threshold = settings, threshold
        self.patterns = compiled(INSTRUCTIONS[settings.rules])

    def reason_to_drop(self, instruction: str, score: float) -> tuple[str, str] | None:
        """(reason, detail), or None for an instruction that stays."""
        if not self.settings.min_characters <= len(instruction) <= self.settings.max_characters:
            return "instruction_length", f"{len(instruction)} characters"
        if hit := first_hit(instruction, self.patterns):
            return "instruction_words", hit[1]
        if self.threshold is not None and score < self.threshold:
            return "low_score", f"{score:.4f} < {self.threshold}"
        return None
