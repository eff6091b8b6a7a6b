"""Seed pairs and fine-tuning."""

from typing import Literal

from pydantic import Field

from kun.settings.base import Section
from kun.settings.selection import Duplicates


class Seed(Section):
    files: list[str] = Field(
        ["config/demo/seed.jsonl"],
        description="alpaca, ShareGPT, messages or prompt and completion, told record by record; lines, a JSON array or Parquet, "
        "also packed (docs/seed.md). The first file to hold an instruction owns it. Kun used about 10,000 pairs",
    )
    turns: Literal["first", "all"] = Field(
        "first",
        description="of a dialogue: its first turn, or each turn as a pair of its own, without what came before it; "
        "turns that refer back are dropped",
    )
    min_instruction: int = Field(4, ge=1, description="shorter instructions are dropped, in characters")
    min_output: int = Field(
        4, ge=1, description="shorter outputs are dropped, in characters: the label model cannot tell what they answer"
    )
    max_characters: int = Field(
        8000, ge=16, description="longer pairs are dropped, instruction and output together; max_tokens is the exact limit"
    )
    min_han_share: float = Field(
        0.1,
        ge=0,
        le=1,
        description="least share of Han characters among the letters of that side of a pair which has more of them: "
        "a Chinese instruction may well be answered in English or code",
    )
    wrappers: Literal["drop", "strip"] = Field(
        "drop",
        description="pairs with what a prompt template left (### Response:, <|im_start|>): drop them, or strip it where it stands "
        "at the beginning or end and drop only those with more of it",
    )
    duplicates: Duplicates = Field(Duplicates(similarity=0.7), description="instructions that occur again, in later pairs")
    held_out: float = Field(
        0.05, ge=0, lt=0.5, description="share of the pairs kept out of training, to measure on; chosen by content"
    )
    max_tokens: int = Field(2048, ge=16, description="longer pairs are dropped, in tokens of the base model, prompt included")


class Run(Section):
    epochs: float = Field(gt=0, description="passes over the pairs")
    learning_rate: float = Field(1e-5, gt=0, description="the peak; falls as training.schedule says")


class Lora(Section):
    rank: int = Field(0, ge=0, description="0: all weights are trained · else low-rank additions of this rank, merged on saving")
    alpha: float = Field(32.0, gt=0, description="the additions count alpha / rank times")
    layers: str | list[str] = Field(
        "all-linear", description="what gets additions: all-linear, or names of layers (q_proj, v_proj, …)"
    )


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
