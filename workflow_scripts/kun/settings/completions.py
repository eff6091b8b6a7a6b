"""The engine that runs language models, and how text is drawn from them."""

from typing import Any, Literal

from pydantic import Field

from kun.settings.base import Section


class Vllm(Section):
    gpu_memory: float = Field(
        0.9, gt=0, le=1, description="share of each GPU's memory for weights, keys and values; less where a second program uses it"
    )
    context: int | None = Field(None, ge=2, description="longest prompt with its completion, in tokens; null: as the model says")
    eager: bool = Field(False, description="start at once, without recording CUDA graphs; slower afterwards. On a CPU always so")
    cpu_cache_gigabytes: float = Field(1, gt=0, description="on a CPU: memory for keys and values")
    arguments: dict[str, Any] = Field(
        {}, description="more arguments of vLLM's LLM, by their own names (quantization, max_num_seqs, kv_cache_dtype, …)"
    )


class Engine(Section):
    name: Literal["transformers", "vllm"] = Field(
        "transformers",
        description="transformers: on the CPU or one GPU · vllm: many times as fast on GPUs; installed by `make install-vllm`",
    )
    batch: int = Field(
        32, ge=1, description="requests handed over at once; transformers computes them together, vllm wants several hundred"
    )
    threads: int = Field(8, ge=1, description="CPU threads of one job; part of the result on a CPU, so it never follows --cores")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="auto: on a GPU as the weights are stored (vllm: float32 ones as bfloat16); on a CPU bfloat16 where native, else float32",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="auto: a GPU where there is one; vllm runs on what it was built for"
    )
    vllm: Vllm = Field(Vllm(), description="what only vllm has to know")


# How text is drawn, by name: the published figures of Kun and of Humpback, and without chance.
PRESETS = {
    "kun": {"max_tokens": 1024, "temperature": 0.5, "top_p": 0.95, "repetition_penalty": 1.2},
    "humpback": {"max_tokens": 1024, "temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.0},
    "greedy": {"max_tokens": 1024, "temperature": 0.0, "top_p": 1.0, "repetition_penalty": 1.0},
}


class Decoding(Section):
    preset: Literal["kun", "humpback", "greedy"] = Field(
        "kun",
        description="what holds where a figure is null. kun: temperature 0.5, top_p 0.95, repetition_penalty 1.2 · humpback: 0.7, 0.9, 1 · "
        "greedy: the likeliest token; max_tokens 1024",
    )
    max_tokens: int | None = Field(None, ge=1, description="longest completion; one that reaches it counts as truncated")
    temperature: float | None = Field(None, ge=0, description="0: always the likeliest token")
    top_p: float | None = Field(None, gt=0, le=1, description="draw from the likeliest tokens that make up this mass")
    repetition_penalty: float | None = Field(
        None, ge=1, description="1: none. It counts the prompt's tokens as well, so it also discourages quoting the text"
    )

    def drawn(self) -> dict[str, float]:
        """All figures: those that are given, and the preset's."""
        return PRESETS[self.preset] | {
            name: value for name, value in self.model_dump(exclude={"preset"}).items() if value is not None
        }
