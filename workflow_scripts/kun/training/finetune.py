"""Fine-tuning by TRL's SFTTrainer: all weights, loss on completions, cosine schedule, measured on the held-out pairs before and after."""

import os
from math import ceil
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, PrinterCallback, TrainerCallback
from transformers.utils.logging import disable_progress_bar
from trl import SFTConfig, SFTTrainer

from kun.books.progress import meter
from kun.completions.hardware import native_bf16
from kun.settings.training import Run, Training
from kun.training.examples import Example


class _Shown(TrainerCallback):
    """Steps, loss and time left on standard error; the loss of every step kept for the report."""

    def __init__(self, what: str, steps: int):
        self.what, self.steps, self.curve = what, steps, []

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.bar = meter(self.steps, self.what, "steps")

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        if logs and "loss" in logs:
            self.curve.append({"step": state.global_step, "loss": round(logs["loss"], 5), "learning_rate": logs["learning_rate"]})
            self.bar.set_description_str(f"{self.what} (loss {logs['loss']:.3f})", refresh=False)
            self.bar.update()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.bar.close()


def finetune(
    base: str,
    tokenizer,
    train: list[Example],
    held_out: list[Example],
    run: Run,
    settings: Training,
    work: Path,
    what: str,
    trust_remote_code: bool,
) -> tuple[Any, dict[str, Any]]:
    """(the trained model, {"curve": per step, "held_out": loss in nats per completion token before and after, "steps", "tokens"})."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    micro = min(settings.micro_batch, settings.batch, len(train))
    accumulation = max(1, settings.batch // micro)
    # As the trainer counts them: what is left at the end of an epoch is a step as well.
    steps = max(1, round(run.epochs * ceil(ceil(len(train) / micro) / accumulation)))
    arguments = SFTConfig(
        output_dir=str(work),
        max_steps=steps,
        learning_rate=run.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=round(settings.warmup * steps),
        weight_decay=settings.weight_decay,
        per_device_train_batch_size=micro,
        per_device_eval_batch_size=micro,
        gradient_accumulation_steps=accumulation,
        gradient_checkpointing=settings.gradient_checkpointing,
        train_sampling_strategy="group_by_length",
        bf16=native_bf16() if settings.bf16 is None else settings.bf16,
        use_cpu=not torch.cuda.is_available(),
        seed=settings.seed,
        data_seed=settings.seed,
        max_length=None,
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        dataloader_num_workers=0,
    )
    disable_progress_bar()
    # Master weights stay float32: steps of 1e-5 would vanish in bfloat16's eight bits.
    model = AutoModelForCausalLM.from_pretrained(
        base, dtype=torch.float32, trust_remote_code=trust_remote_code, use_safetensors=True
    )
    shown = _Shown(what, steps)
    trainer = SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=Dataset.from_list(train),
        eval_dataset=Dataset.from_list(held_out) if held_out else None,
        processing_class=tokenizer,
        callbacks=[shown],
    )
    trainer.remove_callback(PrinterCallback)
    before = trainer.evaluate()["eval_loss"] if held_out else None
    trainer.train()
    after = trainer.evaluate()["eval_loss"] if held_out else None
    tokens = sum(len(example["input_ids"]) for example in train)
    return trainer.model, {
        "curve": shown.curve,
        "held_out": {"before": before, "after": after},
        "steps": steps,
        "tokens_an_epoch": tokens,
    }
