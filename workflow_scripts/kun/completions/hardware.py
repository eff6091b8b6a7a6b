"""What this machine computes fast."""

import torch


def native_bf16() -> bool:
    """Whether bfloat16 matrices are multiplied faster than float32 here: newer GPUs, and CPUs with AMX."""
    return (
        torch.cuda.is_bf16_supported(including_emulation=False) if torch.cuda.is_available() else torch.cpu._is_amx_tile_supported()
    )


def precision(wanted: str, device: str) -> str:
    """The dtype to load a model's weights in: `wanted`, or for "auto" on a CPU the one that it computes with, because half precisions
    that a CPU only emulates are slower than float32 there. On a GPU "auto" is left to what loads the model."""
    if wanted != "auto" or device != "cpu":
        return wanted
    return "bfloat16" if native_bf16() else "float32"
