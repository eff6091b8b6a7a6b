"""Seed pairs and fine-tuning."""

from typing import Literal

from pydantic import Field

from kun.settings.base import Section


class Seed(Section):
    files: list[str] = Field(
        ["config/demo/seed.jsonl"],
        description="alpaca JSON lines: instruction, input (may be empty), output; Kun used about 10,000 pairs",
    )
    held_out: float = Field(
        0.05, ge=0, lt=0.5, description="share of the pairs kept out of training, to measure on; chosen by content"
    )
    max_tokens: int = Field(2048, ge=16, description="longer pairs are dropped, in tokens of the base model, prompt included")


class Run(Section):
    epochs: float = Field(gt=0, description="passes over the seed pairs")
    learning_rate: float = Field(1e-5, gt=0, description="the peak; falls as training.schedule says")


class Lora(Section):
    rank: int = Field(0, ge=0, description="0: all weights are trained · else low-rank additions of this rank, merged on saving")
    alpha: float = Field(32.0, gt=0, description="the additions count alpha / rank times")
    layers: str | list[str] = Field(
        "all-linear", description="what gets additions: all-linear, or names of layers (q_proj, v_proj, …)"
    )


class Training(Section):
    label: Run = Field(Run(epochs=6), description="label model: output → instruction (Kun: 6 epochs, 1e-5)")
    chat: Run = Field(Run(epochs=4), description="primary chat model: instruction → output (Kun: 4 epochs, 1e-5)")
    grounded: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the pairs that the chat model learns as polishing, with the output as the known text. "
        "Not in Kun (0); it teaches small models to keep to the text",
    )
    batch: int = Field(128, ge=1, description="pairs per optimiser step")
    micro_batch: int = Field(8, ge=1, description="pairs that a process computes at once; the rest of a batch is accumulated")
    packing: bool = Field(
        False,
        description="lay the pairs computed at once end to end instead of filling them up to the longest; none sees another. Worth it "
        "with flash attention",
    )
    warmup: float = Field(0.03, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    schedule: Literal["cosine", "linear"] = Field("cosine", description="how the learning rate falls to nothing")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's")
    lora: Lora = Field(Lora(), description="train low-rank additions instead of all weights")
    gradient_checkpointing: bool = Field(False, description="less memory, about a third more time")
    bf16: bool | None = Field(
        None, description="compute in bfloat16 (the weights stay float32); null: where the hardware does so natively"
    )
    save_dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="what the trained weights are stored as; auto: as the base model's are"
    )
    seed: int = Field(20240111, description="order of the pairs and everything else that is chance")
    threads: int = Field(8, ge=1, description="CPU threads; part of the result on a CPU, so it never follows --cores")
