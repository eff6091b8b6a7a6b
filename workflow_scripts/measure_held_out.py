"""measure_held_out: how likely a model finds the true outputs of the held-out seed pairs, pair by pair."""

import argparse
import json
from pathlib import Path

import pyarrow as pa

from kun.books.stage import Stage
from kun.books.tables import Row, read_rows
from kun.settings.completions import Engine

LOSSES = pa.schema([("id", pa.string()), ("nats", pa.float64()), ("tokens", pa.int32())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="the model's description, by locate_model or train_model")
    parser.add_argument("--seed", type=Path, required=True, help="pairs, by prepare_seed; those held out are measured on")
    parser.add_argument("--max-tokens", type=int, required=True, help="pairs that are longer are left out, and counted")
    parser.add_argument(
        "--engine", type=Engine.model_validate_json, required=True, help="the engine section, as JSON: threads, dtype, device"
    )
    parser.add_argument("--batch", type=int, required=True, help="pairs computed at once")
    parser.add_argument("--trust-remote-code", action="store_true")
    parser.add_argument("--output", type=Path, required=True, help="Parquet: nats and tokens of each pair's output")
    arguments = parser.parse_args()

    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    from kun.completions.chat import load_tokenizer
    from kun.completions.hardware import native_bf16
    from kun.training.examples import forward, tokenised
    from kun.training.nll import completion_losses

    model = json.loads(arguments.model.read_text(encoding="utf-8"))
    tokenizer = load_tokenizer(model["path"], model.get("chat_template"), arguments.trust_remote_code)
    settings = arguments.engine
    disable_progress_bar()
    torch.set_num_threads(settings.threads)
    on_gpu = settings.device != "cpu" and torch.cuda.is_available()
    # One precision for all models that are compared, in whichever their weights are stored.
    dtype = settings.dtype if settings.dtype != "auto" else "bfloat16" if native_bf16() else "float32"

    with Stage("measure_held_out", arguments.output, LOSSES) as stage:
        kept: list[tuple[Row, dict[str, list[int]]]] = []
        for pair in read_rows(arguments.seed):
            if pair["held_out"]:
                stage.take()
                [example] = tokenised(tokenizer, [forward(pair, model.get("system"))])  # as a final model learnt seed pairs
                if len(example["input_ids"]) > arguments.max_tokens:
                    stage.drop(pair, "too_long", f"{len(example['input_ids'])} tokens")
                else:
                    kept.append((pair, example))
        if kept:
            loaded = AutoModelForCausalLM.from_pretrained(
                model["path"],
                dtype=dtype,
                device_map="auto" if on_gpu else None,  # spread over the GPUs that are there
                trust_remote_code=arguments.trust_remote_code,
                use_safetensors=True,
            )
            losses = completion_losses(loaded, [example for _, example in kept], arguments.batch)
            for (pair, _), loss in zip(kept, losses, strict=True):
                stage.keep({"id": pair["id"], "nats": loss.nats, "tokens": loss.tokens})


if __name__ == "__main__":
    main()
