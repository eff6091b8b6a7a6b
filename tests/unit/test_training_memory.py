"""What a training is reckoned to need, and that what cannot be is refused with the numbers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kun.settings.training import Training
from kun.training.memory import Shape, gigabytes_of_gpu, refusal, shape_of

YI_34B = Shape(34_389_000_000, 557_000_000, 917_504_000, 60, 7168, 20480, 64000)
KUN = Training(micro_batch=1, gradient_checkpointing=True, bf16=True)


def test_the_shape_is_read_without_the_weights(base_model: Path):
    from transformers import AutoModelForCausalLM

    shape = shape_of(str(base_model), trust_remote_code=False)
    assert shape.weights == sum(p.numel() for p in AutoModelForCausalLM.from_pretrained(base_model).parameters())
    assert (shape.layers, shape.hidden, shape.vocabulary) == (8, 512, 6400)
    assert shape.layer * shape.layers + shape.ends <= shape.weights < shape.layer * (shape.layers + 1) + shape.ends


def test_state_is_sixteen_bytes_a_weight_cut_among_gpus():
    one, eight = (gigabytes_of_gpu(YI_34B, KUN, 2048, gpus, True) for gpus in (1, 8))
    assert one["weights, gradients, averages"] == pytest.approx(16 * 34.389 * 1.1, rel=1e-3)
    assert eight["weights, gradients, averages"] == pytest.approx(one["weights, gradients, averages"] / 8)


@pytest.mark.parametrize("gpus, fits", [(1, False), (4, False), (8, False), (16, True)])
def test_a_model_of_34_billion_needs_sixteen_gpus_of_80_gigabytes(gpus: int, fits: bool):
    parts = gigabytes_of_gpu(YI_34B, KUN, 2048, gpus, True)
    assert (refusal(parts, 80, gpus, 2048, KUN) is None) == fits
    assert parts["in all"] == pytest.approx(sum(size for name, size in parts.items() if name != "in all"))


def test_a_refusal_says_how_much_where_and_what_would_help():
    settings = Training(micro_batch=4, bf16=True)
    words = refusal(gigabytes_of_gpu(YI_34B, settings, 1024, 8, True), 80, 8, 1024, settings)
    for part in (
        "on each of 8 GPUs",
        "there are 80",
        "activations",
        "gradient_checkpointing: true",
        "micro_batch below 4",
        "lora.rank",
    ):
        assert part in words
    roomy = Training(micro_batch=1, gradient_checkpointing=True, bf16=True)
    assert "16 GPUs" in refusal(gigabytes_of_gpu(YI_34B, roomy, 2048, 8, True), 80, 8, 2048, roomy)


def test_what_takes_less_memory_is_reckoned_to_take_less():
    plain = gigabytes_of_gpu(YI_34B, Training(micro_batch=4, bf16=True), 2048, 8, True)["in all"]
    for less in ({"gradient_checkpointing": True}, {"micro_batch": 1}, {"lora": {"rank": 16}}):
        assert gigabytes_of_gpu(YI_34B, Training(**{"micro_batch": 4, "bf16": True} | less), 2048, 8, True)["in all"] < plain


def test_an_impossible_training_is_refused_before_it_is_queued(root: Path, base_model: Path, tmp_path: Path):
    """By the program that rule estimate_training runs."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    base = {"path": str(base_model), "name": "26M", "fingerprint": "f" * 32, "chat_template": None}
    (tmp_path / "base.json").write_text(json.dumps(base), encoding="utf-8")
    rows = [{"id": "a", "instruction": "写一首诗", "output": "春眠不觉晓" * 20, "held_out": False, "locator": "seed:1"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "pairs.parquet")
    command = [
        *(sys.executable, "workflow_scripts/train_model.py", "--role", "chat", "--base", str(tmp_path / "base.json")),
        *("--seed", str(tmp_path / "pairs.parquet"), "--settings", "{}", "--max-tokens", "512", "--gpus", "2"),
        *("--estimate", str(tmp_path / "memory.json"), "--gpu-gigabytes"),
    ]
    refused = subprocess.run([*command, "1"], cwd=root, capture_output=True, text=True)
    assert (
        refused.returncode == 1 and "chat model: this training needs about" in refused.stderr and "Traceback" not in refused.stderr
    )
    assert not (tmp_path / "memory.json").exists()
    subprocess.run([*command, "80"], cwd=root, check=True)
    found = json.loads((tmp_path / "memory.json").read_text(encoding="utf-8"))
    assert found["gpus"] == 2 and found["longest"] > 100 and 1 < found["gigabytes"]["in all"] < 80
