"""Mean negative log-likelihood of true completions under a loaded causal language model, in nats per token.

The model is always called as a whole, never by its parts: wrapped by PEFT or sharded by FSDP2 (`fully_shard`), its parts alone compute
something else or nothing. What is saved is logits: they are made for the places of completions only. Under FSDP every process calls with the
same examples, because each of the model's layers is gathered by all of them together; each then has the whole result.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from math import isfinite
from typing import Any

import torch

from kun.books.digests import digest
from kun.books.tables import Row
from kun.training.examples import Example

LOGITS = 128_000_000  # of one batch: 256 MB in bfloat16; a single example may have more
AT_ONCE = 16_000_000  # of those, in float32 while they are normalised: 64 MB, and about twice that on the way


@dataclass(frozen=True)
class Loss:
    nats: float  # summed over the completion's tokens
    tokens: int  # of the completion; one that begins an example has nothing before it and is not predicted


@torch.no_grad()
def completion_losses(model: torch.nn.Module, examples: Sequence[Example], batch: int) -> list[Loss]:
    """The loss of each example's completion (labels other than −100), in the examples' order; at most `batch` are computed at once.

    Computed in the model's own precision up to the logits, in float32 from there. The model is left in the mode (train or eval) it came in.
    """
    was_training = model.training
    model.eval()
    losses: list[Loss] = [Loss(0.0, 0)] * len(examples)
    try:
        for places in _batches(examples, batch, _vocabulary(model)):
            for place, loss in zip(places, _losses(model, [examples[place] for place in places]), strict=True):
                losses[place] = loss
    finally:
        model.train(was_training)
    return losses


def mean_nll(losses: Sequence[Loss]) -> float | None:
    """Nats per completion token over the whole corpus: every token counts the same, so a long completion counts more than a short one.
    None where there is no token, or where the model gave no finite probabilities (it diverged, or a half precision overflowed)."""
    tokens = sum(loss.tokens for loss in losses)
    mean = sum(loss.nats for loss in losses) / tokens if tokens else None
    return mean if mean is not None and isfinite(mean) else None


def shuffled(pairs: Sequence[Row]) -> list[Row] | None:
    """The pairs in their order, each with another pair's output, none with an output equal to its own.

    Who gets whose is decided by the contents alone: the pairs stand in a circle by the digest of their outputs, and each takes the output so
    many places on as the most frequent output has pairs, the least step that leads everyone out of his like. None where that cannot be: for
    one pair alone, and where more than half of the pairs have one and the same output.
    """
    circle = sorted(range(len(pairs)), key=lambda place: (digest(pairs[place]["output"]), digest(pairs[place]["instruction"])))
    outputs = [pairs[place]["output"] for place in circle]
    step = max(Counter(outputs).values(), default=1)
    if step > len(pairs) - step:
        return None
    given = {place: outputs[(number + step) % len(pairs)] for number, place in enumerate(circle)}
    return [pair | {"output": given[place]} for place, pair in enumerate(pairs)]


def measured(
    model: torch.nn.Module, examples: Sequence[Example], shuffled_examples: Sequence[Example | None] | None, batch: int
) -> dict[str, Any]:
    """{"nll": of the true completions, "shuffled": of the same completions after another pair's prompt, "gap": shuffled − true,
    "pairs", "tokens"}, in nats per completion token.

    `shuffled_examples` belong to `examples` place by place. Where one is None (it did not fit, say), the gap leaves out both; `nll` does not.
    """
    losses = completion_losses(model, examples, batch)
    others = shuffled_examples or [None] * len(examples)
    both = [(own, other) for own, other in zip(losses, others, strict=True) if other is not None]
    of_others = mean_nll(completion_losses(model, [other for _, other in both], batch))
    of_own = mean_nll([own for own, _ in both])
    return {
        "nll": mean_nll(losses),
        "shuffled": of_others,
        "gap": None if of_others is None or of_own is None else of_others - of_own,
        "pairs": len(losses),
        "tokens": sum(loss.tokens for loss in losses),
    }


def _scored(example: Example) -> list[int]:
    """The places whose next token is of the completion."""
    return [place - 1 for place, label in enumerate(example["labels"]) if label != -100 and place]


def _batches(examples: Sequence[Example], batch: int, vocabulary: int) -> Iterator[list[int]]:
    """Places of examples of similar length, the longest first, so that a lack of memory shows at once."""

    def logits(places: list[int]) -> int:
        scored = [place for example in places for place in spans[example]]
        return len(places) * (max(scored) + 1 - min(scored)) * vocabulary

    spans = {place: (found[0], found[-1]) for place, example in enumerate(examples) if (found := _scored(example))}
    places: list[int] = []
    for place in sorted(spans, key=lambda place: (-len(examples[place]["input_ids"]), place)):
        if places and (len(places) == batch or logits([*places, place]) > LOGITS):
            yield places
            places = []
        places.append(place)
    if places:
        yield places


def _losses(model: torch.nn.Module, examples: list[Example]) -> list[Loss]:
    """Losses of examples with at least one scored place each, computed together: padded on the right, where a causal model never looks."""
    width = max(len(example["input_ids"]) for example in examples)
    rows = [example["input_ids"] + [0] * (width - len(example["input_ids"])) for example in examples]
    mask = [[1] * len(example["input_ids"]) + [0] * (width - len(example["input_ids"])) for example in examples]
    scored = [_scored(example) for example in examples]
    first, last = min(places[0] for places in scored), max(places[-1] for places in scored)
    device = next(model.parameters()).device
    keep = {"logits_to_keep": torch.arange(first, last + 1, device=device)} if _keeps_some(model) else {}
    logits = model(
        input_ids=torch.tensor(rows, device=device), attention_mask=torch.tensor(mask, device=device), use_cache=False, **keep
    ).logits
    shift = first if keep else 0
    return [
        _loss(row, [place - shift for place in places], [example["labels"][place + 1] for place in places])
        for row, places, example in zip(logits, scored, examples, strict=True)
    ]


def _loss(logits: torch.Tensor, places: list[int], tokens: list[int]) -> Loss:
    """The loss of `tokens` at `places` of one example's logits [places, vocabulary]."""
    nats = 0.0
    size = max(1, AT_ONCE // logits.shape[-1])
    for start in range(0, len(places), size):
        some = logits[torch.tensor(places[start : start + size], device=logits.device)].float()
        wanted = torch.tensor(tokens[start : start + size], device=logits.device)
        nats += float(torch.nn.functional.cross_entropy(some, wanted, reduction="none").double().sum())
    return Loss(nats, len(places))


def plain_model(model: torch.nn.Module) -> torch.nn.Module:
    """The transformers model inside a PEFT model, to look at; the model itself otherwise."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _keeps_some(model: torch.nn.Module) -> bool:
    return "logits_to_keep" in signature(plain_model(model).forward).parameters


def _vocabulary(model: torch.nn.Module) -> int:
    return plain_model(model).config.get_text_config().vocab_size
