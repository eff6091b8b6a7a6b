"""The engine that runs language models, and how text is drawn from them."""

from typing import Literal

from pydantic import Field

from kun.settings.base import Section


class Engine(Section):
    name: Literal["transformers", "vllm"] = Field(
        "transformers",
        description="transformers: on the CPU or one GPU · vllm: many times as fast on GPUs; installed by `make install-vllm`",
    )
    batch: int = Field(32, ge=1, description="requests computed at once")
    threads: int = Field(8, ge=1, description="CPU threads of one job; part of the result on a CPU, so it never follows --cores")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: on a GPU as the weights are stored; on a CPU bfloat16 where native, else float32"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU where there is one")


class Decoding(Section):
    max_tokens: int = Field(1024, ge=1, description="longest completion; one that reaches it counts as truncated")
    temperature: float = Field(0.5, ge=0, description="0: always the likeliest token")
    top_p: float = Field(0.95, gt=0, le=1, description="draw from the likeliest tokens that make up this mass")
    repetition_penalty: float = Field(
        1.2, ge=1, description="1: none. It counts the prompt's tokens as well, so it also discourages quoting the text"
    )
