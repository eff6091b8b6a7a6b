"""Which instructions go on to be answered."""

from collections.abc import Iterable

from kun.selection.phrases import INSTRUCTIONS, Rules
from kun.settings.roles import Instructions


class InstructionRules:
    """`reason_to_drop` per instruction; made once per job because the patterns are compiled."""

    def __init__(self, settings: Instructions, threshold: float | None):
        self.settings, self.threshold = settings, threshold
        self.rules = Rules(INSTRUCTIONS)

    def hits(self, instruction: str) -> list[str]:
        """The rules that it hits, of all presets, as preset:rule."""
        return self.rules.hits(instruction)

    def tallied(self, hits: Iterable[str]) -> dict[str, dict[str, int]]:
        """{preset: {rule: how many instructions hit it}}."""
        return self.rules.tallied(hits)

    def reason_to_drop(self, instruction: str, score: float) -> tuple[str, str] | None:
        """(reason, detail), or None for an instruction that stays."""
        if not self.settings.min_characters <= len(instruction) <= self.settings.max_characters:
            return "instruction_length", f"{len(instruction)} characters"
        if hit := self.rules.first_hit(self.settings.rules, instruction):
            return "instruction_words", hit
        if self.threshold is not None and score < self.threshold:
            return "low_score", f"{score:.4f} < {self.threshold}"
        return None
