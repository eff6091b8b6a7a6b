"""train_label_model, train_chat_model, train_final_model: fine-tune the base model on seed pairs, inverted or forward, or on generated ones too."""

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from kun.books.digests import digest
from kun.books.tables import Row, read_rows
from kun.completions.fingerprint import model_fingerprint
from kun.completions.requests import Message
from kun.roles.prompt import read_prompt
from kun.settings.training import Run, Training
from kun.training.examples import forward, grounded, inverted, is_grounded, tokenised
from kun.training.mixture import mixed


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
    parser.add_argument("--weights", type=Path, required=True, help="folder for the model")
    parser.add_argument("--description", type=Path, required=True, help="JSON: path, fingerprint, how it was trained")
    arguments = parser.parse_args()

    from transformers import AutoTokenizer

    from kun.training.finetune import finetune

    base = json.loads(arguments.base.read_text(encoding="utf-8"))
    run: Run = getattr(arguments.settings, arguments.role)
    tokenizer = AutoTokenizer.from_pretrained(base["path"], trust_remote_code=arguments.trust_remote_code)
    if base["chat_template"]:
        tokenizer.chat_template = Path(base["chat_template"]).read_text(encoding="utf-8")

    to_conversation = conversations(arguments)
    pairs = list(read_rows(arguments.seed))
    seed_digest, of_final, asked_with = digest(*(pair["id"] for pair in pairs)), {}, {}
    if arguments.role == "final":
        prompts = arguments.settings.system_prompts
        mixture = mixed(pairs, read_rows(arguments.generated, ["id", "instruction", "output"]), prompts)
        pairs, asked_with = mixture.pairs, {"system": prompts.seed} if prompts.seed else {}
        of_final = {
            "generated": digest(*(pair["id"] for pair in pairs[-mixture.generated :])) if mixture.generated else None,
            "generated_pairs": mixture.generated,
            "left_out_as_held_out": mixture.left_out,
            "system_prompts": prompts.model_dump(),
        }
    sides: dict[bool, list] = {True: [], False: []}
    too_long = 0
    for pair in pairs:
        [example] = tokenised(tokenizer, [to_conversation(pair)])
        if len(example["input_ids"]) > arguments.max_tokens:
            too_long += 1
        else:
            sides[pair["held_out"]].append(example)
    if not sides[False]:
        raise SystemExit("seed: no pair is left to train on; see seed.held_out and seed.max_tokens")

    work = arguments.weights.with_name(arguments.weights.name + ".work")
    model, measured = finetune(
        base["path"],
        tokenizer,
        sides[False],
        sides[True],
        run,
        arguments.settings,
        work,
        f"train {arguments.role} model",
        arguments.trust_remote_code,
    )
    shutil.rmtree(work, ignore_errors=True)
    arguments.weights.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(arguments.weights)
    tokenizer.save_pretrained(arguments.weights)
    description = {
        "path": str(arguments.weights),
        "fingerprint": model_fingerprint(arguments.weights),
        **asked_with,
        "trained": {
            "role": arguments.role,
            "base": base["name"],
            "base_fingerprint": base["fingerprint"],
            "seed": seed_digest,
            **of_final,
            "pairs": len(sides[False]),
            "held_out_pairs": len(sides[True]),
            "left_out_as_too_long": too_long,
            "epochs": run.epochs,
            "learning_rate": run.learning_rate,
            "batch": arguments.settings.batch,
            "grounded": arguments.settings.grounded,
            **measured,
        },
    }
    arguments.description.write_text(json.dumps(description, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
