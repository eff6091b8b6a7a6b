"""Seed pairs and fine-tuning."""

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
    epochs: float = Field(gt=0, description="passes over the pairs")
    learning_rate: float = Field(1e-5, gt=0, description="the peak; falls along a cosine")


class SystemPrompts(Section):
    seed: str | None = Field(
        None,
        min_length=1,
        description="stands before seed pairs, and before every question that the final model is asked; null: none",
    )
    generated: str | None = Field(None, min_length=1, description="stands before generated pairs; null: none")


class Training(Section):
    label: Run = Field(Run(epochs=6), description="label model: output → instruction (Kun: 6 epochs, 1e-5)")
    chat: Run = Field(Run(epochs=4), description="primary chat model: instruction → output (Kun: 4 epochs, 1e-5)")
    final: Run = Field(
        Run(epochs=4),
        description="final chat model: the base trained on seed and generated pairs; made by `snakemake final`, and between two rounds",
    )
    system_prompts: SystemPrompts = Field(
        SystemPrompts(),
        description="system prompts by which the final model tells seed pairs from generated ones, as Humpback's did; not in Kun",
    )
    grounded: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the pairs that the chat model learns as polishing, with the output as the known text. "
        "Not in Kun (0); it teaches small models to keep to the text",
    )
    batch: int = Field(128, ge=1, description="pairs per optimiser step")
    micro_batch: int = Field(8, ge=1, description="pairs computed at once; the rest of a batch is accumulated")
    warmup: float = Field(0.03, ge=0, lt=1, description="share of the steps in which the learning rate rises")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's")
    gradient_checkpointing: bool = Field(False, description="less memory, about a third more time")
    bf16: bool | None = Field(
        None, description="compute in bfloat16 (the weights stay float32); null: where the hardware does so natively"
    )
    seed: int = Field(20240111, description="order of the pairs and everything else that is chance")
    threads: int = Field(8, ge=1, description="CPU threads; part of the result on a CPU, so it never follows --cores")
