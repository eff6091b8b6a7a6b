"""What a training needs of each GPU's memory, reckoned from the model's configuration before anything is queued.

    weights, gradients and AdamW's two averages in float32: 16 bytes a weight, cut among all GPUs. With low-rank additions that holds for
    the additions only; the base's weights are 2 (bfloat16) or 4 bytes.
    gathered: what FSDP2 holds whole while it computes: two layers and the embedding with the head, in the precision of computing.
    activations: what a layer keeps for its gradient, by Korthikanti et al. (arXiv 2205.05198, section 4) without the attention matrix, which
    fused attention never holds: about 34 values of 1 byte a token and hidden unit at 2 bytes a value; with gradient checkpointing a layer
    keeps its input alone, and one layer all of it.
    head: probabilities over the vocabulary of the positions that are projected together.

It is an estimate: fragmentation, communication and CUDA itself come as a fixed share and a fixed amount on top.
"""

from typing import Any, NamedTuple

from kun.settings.training import Lora, Training

CUDA_GIGABYTES = 1.5  # its context and NCCL's buffers
FRAGMENTED = 1.1
HEAD_POSITIONS = 1024  # TRL's fused head projects so many positions at once


class Shape(NamedTuple):
    """What the estimate asks of a model; `weights` are all, `layer` those of one layer, `ends` those of embedding and head."""

    weights: int
    layer: int
    ends: int
    layers: int
    hidden: int
    feed_forward: int
    vocabulary: int


def shape_of(base: str, trust_remote_code: bool) -> Shape:
    """From the configuration, without the weights: the model is built on torch's device that holds nothing."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(base, trust_remote_code=trust_remote_code)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, trust_remote_code=trust_remote_code)
    text = config.get_text_config()
    weights = sum(weight.numel() for weight in model.parameters())
    ends = {id(module.weight): module.weight.numel() for module in (model.get_input_embeddings(), model.get_output_embeddings())}
    feed_forward = getattr(text, "intermediate_size", None) or 4 * text.hidden_size
    layers = text.num_hidden_layers
    return Shape(
        weights,
        (weights - sum(ends.values())) // layers,
        sum(ends.values()),
        layers,
        text.hidden_size,
        feed_forward,
        text.vocab_size,
    )


def low_rank_weights(shape: Shape, lora: Lora) -> int:
    """At most: for the linear layers of a Llama, four of attention and three of the feed-forward part."""
    return lora.rank * shape.layers * (4 * 2 * shape.hidden + 3 * (shape.hidden + shape.feed_forward))


def gigabytes_of_gpu(shape: Shape, settings: Training, tokens: int, gpus: int, bf16: bool) -> dict[str, float]:
    """Gigabytes (10⁹ bytes) of each GPU by what they hold, and their sum as `in all`. tokens: of the longest pair."""
    computed = 2 if bf16 else 4
    trained = low_rank_weights(shape, settings.lora) if settings.lora.rank else shape.weights
    held = 16 * trained if settings.lora.rank else 16 * trained / gpus  # additions are held whole by every GPU
    base = computed * shape.weights / gpus if settings.lora.rank else 0
    gathered = (2 * shape.layer + shape.ends) * computed if gpus > 1 else (shape.weights * computed if bf16 and not base else 0)
    at_once = settings.micro_batch * tokens
    # Of a layer: inputs of its norms and of its matrices, queries, keys, values, and the three arrays of the feed-forward part.
    of_layer = at_once * (8 * shape.hidden + 3 * shape.feed_forward) * computed
    kept = (
        at_once * shape.hidden * computed * shape.layers + of_layer if settings.gradient_checkpointing else of_layer * shape.layers
    )
    head = min(at_once, HEAD_POSITIONS) * shape.vocabulary * 4 * 3
    parts = {
        "weights, gradients, averages": held + base,
        "gathered": gathered,
        "activations": kept,
        "head": head,
    }
    parts = {name: size * FRAGMENTED / 1e9 for name, size in parts.items()}
    return {**parts, "CUDA": CUDA_GIGABYTES, "in all": sum(parts.values()) + CUDA_GIGABYTES}


def refusal(parts: dict[str, float], has: float, gpus: int, tokens: int, settings: Training) -> str | None:
    """Why a training cannot be, with the numbers and what would help; None if it can."""
    if parts["in all"] <= has:
        return None
    listed = ", ".join(f"{name} {size:.1f}" for name, size in parts.items() if name != "in all")
    fewest: Any = next(
        (
            n
            for n in (2, 4, 8, 16, 32, 64, 128)
            if n > gpus and parts["in all"] - parts["weights, gradients, averages"] * (1 - gpus / n) <= has
        ),
        None,
    )
    helps = [
        *([f"{fewest} GPUs (resources.gpus_training × nodes_training)"] if fewest and not settings.lora.rank else []),
        *(["training.gradient_checkpointing: true"] if not settings.gradient_checkpointing else []),
        *([f"training.micro_batch below {settings.micro_batch}"] if settings.micro_batch > 1 else []),
        "a smaller seed.max_tokens",
        *(["training.lora.rank above 0"] if not settings.lora.rank else []),
    ]
    return (
        f"this training needs about {parts['in all']:.1f} GB on each of {gpus} GPU{'s' if gpus > 1 else ''} and there are {has:.0f} "
        f"(in GB: {listed}; {settings.micro_batch} pairs of up to {tokens} tokens at once). What helps: {'; '.join(helps)}"
    )
