"""What the final model learns: seed pairs and generated ones together, told apart by their system prompts where the settings give some.

Generated pairs are learnt from alone. What is held out is seed pairs, and a generated pair that asks what one of them asks is left out:
the model would be measured on what it was taught.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from kun.books.tables import Row
from kun.corpus.normalise import bare
from kun.settings.training import SystemPrompts


@dataclass(frozen=True)
class Mixture:
    """`pairs`: the seed pairs, then the generated ones, each with `held_out` and `system` (a text or None)."""

    pairs: list[Row]
    generated: int  # how many of them
    left_out: int  # generated pairs that ask what a held-out seed pair asks, punctuation and spaces aside


def mixed(seed: list[Row], generated: Iterable[Row], prompts: SystemPrompts) -> Mixture:
    """Of rows with instruction and output; those of the seed have `held_out` as well."""
    measured = {bare(pair["instruction"]) for pair in seed if pair["held_out"]}
    learnt, left_out = [], 0
    for pair in generated:
        if bare(pair["instruction"]) in measured:
            left_out += 1
        else:
            learnt.append(pair | {"held_out": False, "system": prompts.generated})
    return Mixture([*(pair | {"system": prompts.seed} for pair in seed), *learnt], len(learnt), left_out)
