"""What the final model learns: seed pairs and generated ones together, told apart by their system prompts where the settings give some.

Generated pairs are learnt from alone. What is held out is seed pairs, and a generated pair that asks what one of them asks is left out:
the model would be measured on what it was taught. Only the seed pairs are in memory.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from kun.books.digests import digest
from kun.books.tables import Row
from kun.corpus.normalise import bare
from kun.settings.training import SystemPrompts

GENERATED = ["id", "instruction", "output"]  # the columns of a generated pair that are looked at


def mixed(seed: list[Row], generated: Iterable[Row], prompts: SystemPrompts) -> Iterator[Row]:
    """The seed pairs, then the generated ones that are learnt, each with `held_out` and `system` (a text or None)."""
    for pair in seed:
        yield pair | {"system": prompts.seed}
    for pair in learnt(seed, generated):
        yield pair | {"held_out": False, "system": prompts.generated}


def learnt(seed: list[Row], generated: Iterable[Row]) -> Iterator[Row]:
    """The generated pairs that do not ask what a held-out seed pair asks, punctuation and spaces aside."""
    measured = {bare(pair["instruction"]) for pair in seed if pair["held_out"]}
    return (pair for pair in generated if bare(pair["instruction"]) not in measured)


def facts_of_mixture(seed: list[Row], generated: Iterable[Row], count: int, prompts: SystemPrompts) -> dict[str, Any]:
    """What a model's description says of its `count` generated pairs."""
    ids = [pair["id"] for pair in learnt(seed, generated)]
    return {
        "generated": digest(*ids),
        "generated_pairs": len(ids),
        "left_out_as_held_out": count - len(ids),
        "system_prompts": prompts.model_dump(),
    }
