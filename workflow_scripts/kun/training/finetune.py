"""Fine-tuning by TRL's SFTTrainer: the steps as planned, loss on completions, all weights or low-rank additions, one process or several.

With several processes (torchrun) weights, gradients and AdamW's averages are cut among them by FSDP2 as the model is loaded. An ended
training goes on at its last checkpoint. What a step learns, and its learning rate and chance, depend on its number alone.
"""

import signal
import time
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM, PrinterCallback, TrainerCallback
from transformers.distributed import DistributedConfig
from transformers.utils.logging import disable_progress_bar
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from kun.books.digests import seed_from
from kun.books.progress import meter
from kun.completions.hardware import native_bf16
from kun.settings.training import Run, Training
from kun.training.checkpoints import Checkpoint, read_tensor, write
from kun.training.processes import Processes
from kun.training.steps import dealt, planned_steps

AVERAGES = ("exp_avg", "exp_avg_sq")  # AdamW's, of a weight; beside them it counts its steps


class Ended(Exception):
    """SIGTERM came, and step `step` of `steps` is kept; the arguments are these two."""


def computes_in_bf16(settings: Training) -> bool:
    return native_bf16() if settings.bf16 is None else settings.bf16


def load_model(base: str, settings: Training, processes: Processes, trust_remote_code: bool) -> torch.nn.Module:
    """The base model, ready to be trained: in float32, because steps of 1e-5 would vanish in bfloat16's eight bits; with low-rank additions
    the base's own weights stay as they are and are held as they are computed with."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    bf16 = computes_in_bf16(settings)
    frozen = settings.lora.rank > 0
    cut = (
        {"distributed_config": DistributedConfig(fsdp_size=processes.count, fsdp_mixed_precision=bf16)}
        if processes.count > 1
        else {}
    )
    disable_progress_bar()
    model = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=torch.bfloat16 if frozen and bf16 else torch.float32,
        trust_remote_code=trust_remote_code,
        use_safetensors=True,
        **cut,
    )
    if frozen:
        lora = settings.lora
        model = get_peft_model(
            model, LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=lora.layers, task_type="CAUSAL_LM")
        )
    return model


def finetune(
    model: torch.nn.Module,
    tokenizer: Any,
    examples: Dataset,
    run: Run,
    settings: Training,
    work: Path,
    identity: str,
    checkpoint: Checkpoint | None,
    checkpoint_minutes: float,
    note: dict[str, Any],
    processes: Processes,
    what: str,
) -> list[dict[str, Any]]:
    """Trains `model` in place; returns {step, loss in nats per completion token, learning_rate, gradient, tokens} of each step.

    examples: id, input_ids, labels (−100 where nothing is learnt). work: folder for checkpoints, of trainings with this `identity`.
    checkpoint: the one to go on from. note: kept in checkpoints. Raises Ended after SIGTERM, checkpoints.NoSpace.
    """
    lengths = [len(ids) for ids in examples["input_ids"]]
    steps = planned_steps(examples["id"], run.epochs, settings.batch, settings.seed)
    done = checkpoint.step if checkpoint else 0
    # The first step has the most examples, and every step as many rounds; the last one may have fewer.
    rounds = ceil(len(steps[0]) / (settings.micro_batch * processes.count))
    bf16 = computes_in_bf16(settings)
    arguments = SFTConfig(
        output_dir=str(work),
        max_steps=len(steps) - done,
        learning_rate=run.learning_rate,
        lr_scheduler_type=settings.schedule,
        warmup_steps=round(settings.warmup * len(steps)),
        weight_decay=settings.weight_decay,
        per_device_train_batch_size=settings.micro_batch,
        gradient_accumulation_steps=rounds,
        gradient_checkpointing=settings.gradient_checkpointing,
        bf16=bf16 and processes.count == 1,  # FSDP2 computes in bfloat16 by itself
        use_cpu=not torch.cuda.is_available(),
        ddp_backend="gloo" if processes.count > 1 and not torch.cuda.is_available() else None,
        seed=settings.seed,
        max_length=None,
        dataset_kwargs={"skip_prepare_dataset": True},
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    let_go(model)
    torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
    curve = list(checkpoint.note["curve"]) if checkpoint else []
    trainer = _PlannedTrainer(
        plan=[dealt(step, lengths, settings.micro_batch, processes.count) for step in steps[done:]],
        done=done,
        in_all=len(steps),
        checkpoint=checkpoint,
        processes=processes,
        packing=settings.packing,
        model=model,
        args=arguments,
        train_dataset=examples,
        processing_class=tokenizer,
    )
    trainer.remove_callback(PrinterCallback)
    tokens = [sum(lengths[place] for place in step) for step in steps]
    trainer.add_callback(_Recorded(what, curve, tokens, done, processes))
    trainer.add_callback(_Kept(trainer, work, identity, note, curve, checkpoint_minutes, processes))
    trainer.train()
    return curve


class _PlannedTrainer(SFTTrainer):
    """Takes the planned steps from `done` on, in this process's micro-batches, with the learning rates of the whole training."""

    def __init__(
        self,
        plan: list[list[list[list[int]]]],
        done: int,
        in_all: int,
        checkpoint: Checkpoint | None,
        processes: Processes,
        packing: bool,
        **others: Any,
    ):
        self.plan, self.done, self.in_all, self.checkpoint, self.processes = plan, done, in_all, checkpoint, processes
        super().__init__(**others)
        self.laid_out = DataCollatorForLanguageModeling(self.processing_class.pad_token_id or 0, padding_free=packing)
        self.forwards = 0

    def get_train_dataloader(self) -> DataLoader:
        turns = [(round_[self.processes.number], round_[0]) for step in self.plan for round_ in step]
        return DataLoader(turns, batch_size=None, collate_fn=self._micro_batch)

    def _micro_batch(self, turn: tuple[list[int], list[int]]) -> dict[str, Any]:
        mine, firsts = turn
        if mine:
            return self.laid_out([self.train_dataset[place] for place in mine])
        idle = self.train_dataset[firsts[-1]]  # its loss is not counted: no label
        return self.laid_out([{**idle, "labels": [-100] * len(idle["input_ids"])}])

    def training_step(self, *arguments: Any, **others: Any) -> torch.Tensor:
        torch.manual_seed(
            seed_from(f"{self.args.seed} {self.done + self.state.global_step} {self.forwards} {self.processes.number}")
        )
        self.forwards = (self.forwards + 1) % self.args.gradient_accumulation_steps
        return super().training_step(*arguments, **others)

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        scheduler = super().create_scheduler(self.in_all, optimizer)
        rates = [peak * share(self.done) for peak, share in zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)]
        scheduler.load_state_dict({**scheduler.state_dict(), "last_epoch": self.done, "_last_lr": rates})
        for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        return scheduler

    def _prepare_for_training(self, *arguments: Any, **others: Any) -> Any:
        prepared = super()._prepare_for_training(*arguments, **others)
        if self.checkpoint:
            restore(self.model, self.optimizer.optimizer, self.checkpoint, self.processes)
        return prepared


class _Recorded(TrainerCallback):
    """The curve of every step; on standard error steps, loss and time left."""

    def __init__(self, what: str, curve: list[dict[str, Any]], tokens: Sequence[int], done: int, processes: Processes):
        self.what, self.curve, self.tokens, self.done, self.processes = what, curve, tokens, done, processes

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        if self.processes.first:
            self.bar = meter(len(self.tokens), self.what, "steps")
            self.bar.initial = self.bar.n = self.done

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        if not logs or "loss" not in logs:
            return
        step = self.done + state.global_step
        self.curve.append(
            {
                "step": step,
                "loss": round(logs["loss"], 6),
                "learning_rate": logs["learning_rate"],
                "gradient": round(logs["grad_norm"], 6),
                "tokens": self.tokens[step - 1],
            }
        )
        if self.processes.first:
            self.bar.set_description_str(f"{self.what} (loss {logs['loss']:.3f})", refresh=False)
            self.bar.update()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        if self.processes.first:
            self.bar.close()


class _Kept(TrainerCallback):
    """A checkpoint every so many minutes, and one before SIGTERM ends the training."""

    def __init__(
        self,
        trainer: _PlannedTrainer,
        work: Path,
        identity: str,
        note: dict[str, Any],
        curve: list[dict[str, Any]],
        minutes: float,
        processes: Processes,
    ):
        self.trainer, self.work, self.identity, self.note, self.curve = trainer, work, identity, note, curve
        self.minutes, self.processes = minutes, processes
        self.asked_to_end = False

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.since = time.monotonic()
        signal.signal(signal.SIGTERM, self._asked)

    def _asked(self, *_: Any) -> None:
        self.asked_to_end = True

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        # After the step is logged, so that the curve is whole. What one process sees all do: they write a checkpoint together.
        if not logs or "loss" not in logs:
            return
        step, steps = self.trainer.done + state.global_step, self.trainer.in_all
        due = time.monotonic() - self.since >= self.minutes * 60 and step < steps
        seen = self.processes.gathered([due, self.asked_to_end])
        ended = any(asked for _, asked in seen)
        if ended or seen[0][0]:
            tensors = to_keep(self.trainer.model, self.trainer.optimizer.optimizer)
            write(self.work, step, self.identity, tensors, {**self.note, "curve": self.curve}, self.processes)
            self.since = time.monotonic()
        if ended:
            raise Ended(step, steps)


def let_go(model: torch.nn.Module) -> None:
    """Puts weights that FSDP2 still holds whole after a forward pass (the head's) back to this process's part: an optimiser made while they
    are whole would change copies that nobody looks at."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def to_keep(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """This process's part of every weight that is trained and of AdamW's averages, on the CPU."""
    tensors = {}
    for name, weight in _trained(model):
        tensors[f"weight.{name}"] = _local(weight.detach())
        tensors |= {f"{key}.{name}": _local(optimizer.state[weight][key]) for key in ("step", *AVERAGES)}
    return {name: tensor.cpu() for name, tensor in tensors.items()}


def restore(model: torch.nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Checkpoint, processes: Processes) -> None:
    """Puts back what `to_keep` gave."""
    for name, weight in _trained(model):
        cut = isinstance(weight, DTensor)
        with torch.no_grad():
            _local(weight).copy_(read_tensor(checkpoint, f"weight.{name}", processes, weight.shape, cut))
        step = read_tensor(checkpoint, f"step.{name}", processes, torch.Size(), False)
        averages = [read_tensor(checkpoint, f"{key}.{name}", processes, weight.shape, cut) for key in AVERAGES]
        if cut:
            averages = [_as_cut(average.to(weight.device), weight) for average in averages]
        state = dict(zip(AVERAGES, (average.to(weight.device) for average in averages), strict=True))
        optimizer.state[weight] = {"step": step.to(weight.device) if optimizer.defaults.get("fused") else step, **state}


def _trained(model: torch.nn.Module) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]


def _as_cut(part: torch.Tensor, weight: DTensor) -> DTensor:
    return DTensor.from_local(part, weight.device_mesh, weight.placements, shape=weight.shape, stride=weight.stride())


def _local(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor
