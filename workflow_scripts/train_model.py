"""train_label_model, train_chat_model, train_final_model: fine-tune the base model on seed pairs, inverted or forward, or on seed pairs and
generated ones; estimate_training: only ask if it fits.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kun.books.digests import digest, digest_of_file, digest_of_value
from kun.books.tables import Row, count_rows, read_rows
from kun.completions.chat import load_tokenizer
from kun.completions.fingerprint import model_fingerprint
from kun.completions.requests import Message
from kun.roles.prompt import read_prompt
from kun.settings.training import Run, Training
from kun.training.card import write_card
from kun.training.examples import Example, forward, grounded, inverted, is_grounded, tokenised
from kun.training.memory import gigabytes_of_gpu, refusal, shape_of
from kun.training.mixture import GENERATED, facts_of_mixture, mixed

# What may change while a training is under way: it takes the same steps.
NOT_OF_THE_STEPS = {"micro_batch", "gradient_checkpointing", "threads", "save_dtype", "label", "chat", "final", "system_prompts"}
ENDED = 143  # as a shell says of a program that SIGTERM ended


def conversations(arguments: argparse.Namespace) -> Callable[[Row], tuple[tuple[Message, ...], str]]:
    """How this role sees a pair: messages and the completion to learn."""
    if arguments.role == "label":
        label_prompt = read_prompt(arguments.label_prompt, "text")
        return lambda pair: inverted(pair, label_prompt)
    if arguments.role == "final":
        return lambda pair: forward(pair, pair["system"])
    if arguments.settings.grounded:
        polish_prompt = read_prompt(arguments.polish_prompt, "text", "instruction")
        return lambda pair: grounded(pair, polish_prompt) if is_grounded(pair, arguments.settings.grounded) else forward(pair)
    return forward


def pairs_of(arguments: argparse.Namespace, held_out: bool) -> Iterator[Row]:
    pairs = read_rows(arguments.seed)
    if arguments.role == "final":
        generated = () if held_out else read_rows(arguments.generated, GENERATED)
        pairs = mixed(list(pairs), generated, arguments.settings.system_prompts)
    return (pair for pair in pairs if pair["held_out"] == held_out)


class Fitting:
    """Examples of the pairs that fit; `too_long` counts the others, `longest` is the longest that fits, in tokens."""

    def __init__(self, tokenizer: Any, to_conversation: Callable[[Row], tuple[tuple[Message, ...], str]], max_tokens: int):
        self.tokenizer, self.to_conversation, self.max_tokens = tokenizer, to_conversation, max_tokens
        self.too_long = self.longest = 0

    def example(self, pair: Row) -> Example | None:
        [example] = tokenised(self.tokenizer, [self.to_conversation(pair)])
        return example if len(example["input_ids"]) <= self.max_tokens else None

    def of(self, pairs: Iterator[Row]) -> Iterator[tuple[Row, Example]]:
        for pair in pairs:
            if example := self.example(pair):
                self.longest = max(self.longest, len(example["input_ids"]))
                yield pair, example
            else:
                self.too_long += 1


def estimate(arguments: argparse.Namespace) -> None:
    """Whether the training fits its GPUs, before it is queued."""
    base = json.loads(arguments.base.read_text(encoding="utf-8"))
    fitting = Fitting(
        load_tokenizer(base["path"], base["chat_template"], arguments.trust_remote_code),
        conversations(arguments),
        arguments.max_tokens,
    )
    for _ in fitting.of(pairs_of(arguments, held_out=False)):
        pass
    shape = shape_of(base["path"], arguments.trust_remote_code)
    bf16 = arguments.settings.bf16 is not False
    parts = gigabytes_of_gpu(shape, arguments.settings, fitting.longest, arguments.gpus, bf16)
    if reason := refusal(parts, arguments.gpu_gigabytes, arguments.gpus, fitting.longest, arguments.settings):
        raise SystemExit(f"{arguments.role} model: {reason}")
    listed = {name: round(size, 2) for name, size in parts.items()}
    found = {"gigabytes": listed, "of": arguments.gpu_gigabytes, "gpus": arguments.gpus, "longest": fitting.longest}
    arguments.estimate.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def train(arguments: argparse.Namespace) -> None:
    import torch
    from datasets import Dataset

    from kun.training.checkpoints import newest
    from kun.training.finetune import computes_in_bf16, finetune, load_model
    from kun.training.nll import measured, shuffled
    from kun.training.processes import join
    from kun.training.saving import save_model, stored_dtype
    from kun.training.table import write_examples

    processes = join()
    settings: Training = arguments.settings
    run: Run = getattr(settings, arguments.role)
    base = json.loads(arguments.base.read_text(encoding="utf-8"))
    tokenizer = load_tokenizer(base["path"], base["chat_template"], arguments.trust_remote_code)
    fitting = Fitting(tokenizer, conversations(arguments), arguments.max_tokens)

    work = arguments.weights.with_name("checkpoints")
    table = work / "examples.arrow"
    if processes.first:
        write_examples(table, ((pair["id"], example) for pair, example in fitting.of(pairs_of(arguments, held_out=False))))
    longest = processes.gathered(fitting.longest)[0]
    examples = Dataset.from_file(str(table))
    if not len(examples):
        raise SystemExit("seed: no pair is left to train on; see seed.held_out and seed.max_tokens")
    held_out = list(fitting.of(pairs_of(arguments, held_out=True)))
    # The label model's gap: how much likelier it finds an instruction after its own text than after another pair's.
    others = shuffled([pair for pair, _ in held_out]) if arguments.role == "label" else None
    measure = [example for _, example in held_out], [fitting.example(pair) for pair in others] if others else None

    gpu = {}
    if torch.cuda.is_available():
        has = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory / 1e9
        shape = shape_of(base["path"], arguments.trust_remote_code)
        parts = gigabytes_of_gpu(shape, settings, longest, processes.count, computes_in_bf16(settings))
        if reason := refusal(parts, has, processes.count, longest, settings):
            raise SystemExit(f"{arguments.role} model: {reason}")
        gpu = {"device": torch.cuda.get_device_name(), "gpu_gigabytes_estimated": round(parts["in all"], 2)}

    steps_decided_by = {
        "role": arguments.role,
        "base": base["fingerprint"],
        "run": run.model_dump(),
        "settings": settings.model_dump(exclude=NOT_OF_THE_STEPS),
        "bf16": computes_in_bf16(settings),
        "examples": digest_of_file(table),
    }
    identity = digest_of_value(steps_decided_by)
    checkpoint = newest(work, identity, processes)
    model = load_model(base["path"], settings, processes, arguments.trust_remote_code)
    if checkpoint:
        before = checkpoint.note["before"]
        if processes.first:
            print(f"going on after step {checkpoint.step}", file=sys.stderr)
    else:
        before = measured(model, *measure, settings.micro_batch)
    curve = finetune(
        model, tokenizer, examples, run, settings, work, identity, checkpoint, arguments.checkpoint_minutes,
        {"before": before}, processes, f"train {arguments.role} model",
    )  # fmt: skip
    after = measured(model, *measure, settings.micro_batch)
    if torch.cuda.is_available():
        gpu["gpu_gigabytes_used"] = round(max(processes.gathered(torch.cuda.max_memory_reserved() / 1e9)), 2)
    save_model(
        model, tokenizer, base["path"], stored_dtype(base["path"], settings.save_dtype), arguments.weights,
        arguments.trust_remote_code, processes,
    )  # fmt: skip
    if not processes.first:
        return

    arguments.curve.write_text("".join(json.dumps(point) + "\n" for point in curve), encoding="utf-8")
    of_final, asked_with = {}, {}
    if arguments.role == "final":
        prompts, generated = settings.system_prompts, arguments.generated
        of_final = facts_of_mixture(
            list(read_rows(arguments.seed)), read_rows(generated, GENERATED), count_rows(generated), prompts
        )
        asked_with = {"system": prompts.seed} if prompts.seed else {}
    facts = {
        "role": arguments.role,
        "base": base["name"],
        "base_fingerprint": base["fingerprint"],
        "seed": digest(*(pair["id"] for pair in read_rows(arguments.seed))),
        **of_final,
        "pairs": len(examples),
        "held_out_pairs": len(held_out),
        "left_out_as_too_long": fitting.too_long,
        "longest": longest,
        "epochs": run.epochs,
        "learning_rate": run.learning_rate,
        **settings.model_dump(include={"batch", "schedule", "warmup", "weight_decay", "grounded", "packing"}),
        "chance": settings.seed,
        "lora": settings.lora.model_dump() if settings.lora.rank else None,
        "computed_in": "bfloat16" if computes_in_bf16(settings) else "float32",
        "processes": processes.count,
        "steps": len(curve),
        "tokens": sum(point["tokens"] for point in curve),
        "held_out": {"before": before, "after": after},
        **gpu,
    }
    fingerprint = model_fingerprint(arguments.weights)
    write_card(arguments.weights / "README.md", facts, fingerprint)
    description = {"path": str(arguments.weights), "fingerprint": fingerprint, **asked_with, "trained": facts}
    arguments.description.write_text(json.dumps(description, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(work)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--role",
        choices=["label", "chat", "final"],
        required=True,
        help="label: output → instruction · chat: instruction → output · final: the same, of seed and generated pairs",
    )
    parser.add_argument("--base", type=Path, required=True, help="the base model's description, by locate_model")
    parser.add_argument("--seed", type=Path, required=True, help="pairs, by prepare_seed")
    parser.add_argument("--generated", type=Path, help="pairs, by assemble; for the final model")
    parser.add_argument("--label-prompt", type=Path, help="the prompt that the label model is asked with")
    parser.add_argument("--polish-prompt", type=Path, help="the prompt of grounded pairs, where training.grounded asks for some")
    parser.add_argument("--settings", type=Training.model_validate_json, required=True, help="the training section, as JSON")
    parser.add_argument("--max-tokens", type=int, required=True, help="pairs that are longer are left out, and counted")
    parser.add_argument("--trust-remote-code", action="store_true")
    parser.add_argument("--checkpoint-minutes", type=float, default=30, help="how often to keep what there is")
    parser.add_argument("--weights", type=Path, help="folder for the model; checkpoints lie in `checkpoints` beside it meanwhile")
    parser.add_argument("--curve", type=Path, help="JSON lines: loss, learning rate and gradient of each step")
    parser.add_argument("--description", type=Path, help="JSON: path, fingerprint, how it was trained")
    parser.add_argument(
        "--estimate", type=Path, help="train nothing; write what each GPU has to hold as JSON, or say why it cannot"
    )
    parser.add_argument("--gpus", type=int, default=1, help="for --estimate: of all nodes together")
    parser.add_argument("--gpu-gigabytes", type=float, help="for --estimate: memory of a GPU")
    arguments = parser.parse_args()
    if arguments.estimate:
        return estimate(arguments)

    from kun.training.checkpoints import NoSpace, is_no_space
    from kun.training.finetune import Ended
    from kun.training.processes import leave

    try:
        train(arguments)
    except Ended as ended:
        step, steps = ended.args
        print(f"ended by SIGTERM; step {step} of {steps} is kept. Run it again to go on from there", file=sys.stderr)
        sys.exit(ENDED)
    except Exception as fault:
        if not (isinstance(fault, NoSpace) or is_no_space(fault)):
            raise
        kept = sorted(path.name for path in arguments.weights.with_name("checkpoints").glob("step-??????"))
        kept_words = (
            f"the checkpoint {kept[-1]} is whole: run it again to go on from there" if kept else "no checkpoint was written before"
        )
        raise SystemExit(f"{arguments.weights.parent}: no space left on the disk. Free some; {kept_words} ({fault})") from None
    finally:
        leave()


if __name__ == "__main__":
    main()
