"""What this machine computes fast."""

import torch


def native_bf16() -> bool:
    """Whether bfloat16 matrices are multiplied faster than float32 here: newer GPUs, and CPUs with AMX."""
    return (
        torch.cuda.is_bf16_supported(including_emulation=False) if torch.cuda.is_available() else torch.cpu._is_amx_tile_supported()
    )
