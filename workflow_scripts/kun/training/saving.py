"""A trained model as a folder that any program loads: whole weights as safetensors, configuration, tokenizer. Low-rank additions are merged."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import save_torch_state_dict
from peft.tuners.lora import LoraLayer
from torch.distributed.tensor import DTensor
from transformers import AutoConfig, GenerationConfig

from kun.training.nll import plain_model
from kun.training.processes import Processes


def save_model(
    model: torch.nn.Module,
    tokenizer: Any,
    base: str,
    dtype: torch.dtype,
    folder: Path,
    trust_remote_code: bool,
    processes: Processes,
) -> None:
    """Writes the folder in the first process; all processes call it together, each has a part of the weights. Raises what writing raises."""
    weights = {}
    for name, weight in _whole_weights(model):
        if processes.first:
            weights[name] = weight.to("cpu", dtype)
    if not processes.first:
        return
    folder.mkdir(parents=True, exist_ok=True)
    save_torch_state_dict(weights, folder)
    # The configuration is the base's own: the loaded one also says how the weights were cut here.
    config = AutoConfig.from_pretrained(base, trust_remote_code=trust_remote_code)
    config.architectures = [type(plain_model(model)).__name__.removeprefix("FSDP")]
    config.dtype = dtype
    config.save_pretrained(folder)
    if (generation := getattr(plain_model(model), "generation_config", None)) is not None:
        GenerationConfig.from_dict(generation.to_diff_dict()).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    if trust_remote_code and Path(base).is_dir():
        for code in Path(base).glob("*.py"):
            shutil.copy2(code, folder)


def stored_dtype(base: str, wanted: str) -> torch.dtype:
    """What weights are stored as: `wanted`, or for "auto" what the base says of its own; float32 if it says nothing."""
    if wanted == "auto":
        return getattr(AutoConfig.from_pretrained(base), "dtype", None) or torch.float32
    return getattr(torch, wanted)


def _whole_weights(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Each weight once, under the name that the base model knows it by, gathered from all processes and with its addition."""
    plain = plain_model(model)
    added = {f"{name}.base_layer.weight": layer for name, layer in plain.named_modules() if isinstance(layer, LoraLayer)}
    for name, weight in plain.state_dict(keep_vars=True).items():
        if "lora_" in name or name in getattr(plain, "all_tied_weights_keys", {}):
            continue
        with torch.no_grad():
            whole = weight.full_tensor() if isinstance(weight, DTensor) else weight
            if layer := added.get(name):
                whole = whole.float() + sum(layer.get_delta_weight(adapter).float() for adapter in layer.active_adapters)
        yield name.replace(".base_layer", ""), whole.detach()
