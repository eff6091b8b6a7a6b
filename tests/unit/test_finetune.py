"""Training: steps as planned whoever computes them, ended anywhere and gone on, additions merged, pairs laid end to end without seeing each other.

A Llama of two layers with random weights and the base model's real tokenizer learns a dozen short pairs, through train_model.py itself.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from kun.books.digests import digest
from kun.training.checkpoints import KEPT
from kun.training.seed import SCHEMA

TEXTS = [
    "春眠不觉晓，处处闻啼鸟。",
    "床前明月光，疑是地上霜。举头望明月，低头思故乡。",
    "Ｋｕｎ　全角１２３",
    "繁體中文也要學。",
    "🙂👍🏽 表情也是字。",
]
SETTINGS = {
    "label": {"epochs": 3, "learning_rate": 3e-3},
    "chat": {"epochs": 3, "learning_rate": 3e-3},
    "batch": 4,
    "micro_batch": 2,
    "threads": 1,
    "bf16": False,
}
STEPS = 9  # twelve pairs, three times, four a step


@pytest.fixture(scope="module")
def tiny(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """base.json and pairs.parquet in a folder: the model, and pairs of which four are held out."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=6400, tie_word_embeddings=False, **shape)).save_pretrained(folder / "base")
    AutoTokenizer.from_pretrained(base_model).save_pretrained(folder / "base")
    base = {"path": str(folder / "base"), "name": "tiny|模型", "fingerprint": "f" * 32, "chat_template": None}
    (folder / "base.json").write_text(json.dumps(base), encoding="utf-8")
    rows = []
    for number in range(16):
        instruction, output = f"第{number}条：写点什么", TEXTS[number % len(TEXTS)] * (1 + number % 3)
        row = {"id": digest(instruction), "instruction": instruction, "output": output, "held_out": number % 4 == 0}
        rows.append({**row, "locator": f"seed.jsonl:{number}"})
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / "pairs.parquet")
    return folder


def arguments_of(tiny: Path, root: Path, out: Path, settings: dict, *more: str) -> list[str]:
    out.mkdir(parents=True, exist_ok=True)
    return [
        *("--role", "label", "--label-prompt", str(root / "config/prompts/label.jinja"), "--max-tokens", "256"),
        *("--base", str(tiny / "base.json"), "--seed", str(tiny / "pairs.parquet"), "--settings", json.dumps(SETTINGS | settings)),
        *(
            "--weights",
            str(out / "weights"),
            "--curve",
            str(out / "training.jsonl"),
            "--description",
            str(out / "model.json"),
            *more,
        ),
    ]


Train = Callable[..., dict]


@pytest.fixture(scope="module")
def train(tiny: Path, root: Path) -> Train:
    """train(folder, more settings, more options) runs train_model.py here, where torch is loaded already; returns the description."""
    import train_model

    def run(out: Path, settings: dict | None = None, *more: str) -> dict:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["train_model.py", *arguments_of(tiny, root, out, settings or {}, *more)])
            handler = signal.getsignal(signal.SIGTERM)
            try:
                train_model.main()
            finally:
                signal.signal(signal.SIGTERM, handler)
        return json.loads((out / "model.json").read_text(encoding="utf-8"))

    return run


def curve(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "training.jsonl").read_text(encoding="utf-8").splitlines()]


def weights(out: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(out / "weights" / "model.safetensors")


def apart(a: list[dict], b: list[dict]) -> float:
    """The greatest relative difference of two curves' losses."""
    return max(abs(x["loss"] - y["loss"]) / x["loss"] for x, y in zip(a, b, strict=True))


@pytest.fixture(scope="module")
def whole(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that nothing came between."""
    out = tmp_path_factory.mktemp("whole")
    train(out)
    return out


def test_a_training_learns_and_says_how_it_was_made(whole: Path):
    facts = json.loads((whole / "model.json").read_text(encoding="utf-8"))["trained"]
    points = curve(whole)
    assert [point["step"] for point in points] == list(range(1, STEPS + 1))
    assert facts["steps"] == STEPS and facts["pairs"] == 12 and facts["held_out_pairs"] == 4
    assert points[-1]["loss"] < points[0]["loss"] - 0.5
    assert facts["held_out"]["after"]["nll"] < facts["held_out"]["before"]["nll"] - 0.5
    assert facts["held_out"]["after"]["gap"] is not None
    card = (whole / "weights/README.md").read_text(encoding="utf-8")
    assert r"tiny\|模型" in card and facts["seed"] in card and f"{facts['held_out']['after']['nll']:.3f}" in card
    assert not (whole / "checkpoints").exists()
    assert not list((whole / "weights").glob("*.bin")) and not list((whole / "weights").glob("*.pt"))


def test_the_saved_model_is_loaded_by_anyone_and_has_the_bases_weights_by_name(whole: Path, tiny: Path):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(whole / "weights")
    assert model.dtype == torch.float32 and set(weights(whole)) == set(weights_of_base(tiny))
    assert sum(p.numel() for p in model.parameters()) == sum(t.numel() for t in weights(whole).values())


def weights_of_base(tiny: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(tiny / "base" / "model.safetensors")


def test_the_same_training_twice_is_the_same_byte_for_byte(whole: Path, train: Train, tmp_path: Path):
    train(tmp_path)
    for name in ("training.jsonl", "weights/model.safetensors", "weights/config.json", "weights/README.md"):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes(), name


# ----------------------------------------------------------------------------------------------------------- ended and gone on


def ended_after(train: Train, out: Path, step: int, signal_number: int = signal.SIGTERM) -> None:
    """A training that gets a signal while it computes the step after `step`; a checkpoint was written at each step before."""
    from kun.training import finetune

    class Killer(finetune._Recorded):
        def on_step_begin(self, args, state, control, **_):
            if self.done + state.global_step == step:
                os.kill(os.getpid(), signal_number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finetune, "_Recorded", Killer)
        with pytest.raises(SystemExit) as end:
            train(out, None, "--checkpoint-minutes", "0")
    assert end.value.code == 143


def test_sigterm_keeps_the_step_and_the_next_run_goes_on_to_the_same_end(whole: Path, train: Train, tmp_path: Path, capfd):
    ended_after(train, tmp_path, 4)
    assert f"step 5 of {STEPS} is kept" in capfd.readouterr().err
    assert [path.name for path in sorted((tmp_path / "checkpoints").glob("step-*"))] == ["step-000004", "step-000005"]
    assert len(list((tmp_path / "checkpoints").glob("step-*"))) == KEPT
    train(tmp_path)
    assert "going on after step 5" in capfd.readouterr().err
    assert (tmp_path / "training.jsonl").read_bytes() == (whole / "training.jsonl").read_bytes()
    assert (tmp_path / "model.json").read_text().replace(str(tmp_path), str(whole)) == (whole / "model.json").read_text()
    assert (tmp_path / "weights/model.safetensors").read_bytes() == (whole / "weights/model.safetensors").read_bytes()


@pytest.mark.parametrize("spoil", ["cut short", "a changed byte", "no note", "a torn note", "a missing file"])
def test_a_torn_checkpoint_is_recognised_and_the_one_before_is_taken(spoil: str, whole: Path, train: Train, tmp_path: Path, capfd):
    ended_after(train, tmp_path, 4)
    last = tmp_path / "checkpoints/step-000005"
    file, note = last / "process-0.safetensors", last / "note.json"
    data = bytearray(file.read_bytes())
    if spoil == "cut short":
        file.write_bytes(data[: len(data) // 2])
    elif spoil == "a changed byte":
        data[-1] ^= 1
        file.write_bytes(data)
    elif spoil == "no note":
        note.unlink()
    elif spoil == "a torn note":
        note.write_bytes(note.read_bytes()[:100])
    else:
        file.unlink()
    (tmp_path / "checkpoints/step-000006.part").mkdir()
    capfd.readouterr()
    train(tmp_path)
    assert "going on after step 4" in capfd.readouterr().err
    assert (tmp_path / "training.jsonl").read_bytes() == (whole / "training.jsonl").read_bytes()
    assert (tmp_path / "weights/model.safetensors").read_bytes() == (whole / "weights/model.safetensors").read_bytes()


@pytest.mark.parametrize(
    "changed", [{"label": {"epochs": 3, "learning_rate": 1e-3}}, {"seed": 7}, {"lora": {"rank": 2}}, {"batch": 3}]
)
def test_a_checkpoint_of_another_training_is_not_taken(changed: dict, train: Train, tmp_path: Path, capfd):
    ended_after(train, tmp_path, 2)
    capfd.readouterr()
    train(tmp_path, changed)
    assert "going on" not in capfd.readouterr().err


def test_less_memory_may_be_asked_for_while_a_training_is_under_way(whole: Path, train: Train, tmp_path: Path, capfd):
    ended_after(train, tmp_path, 4)
    train(tmp_path, {"micro_batch": 1, "gradient_checkpointing": True})
    assert "going on after step 5" in capfd.readouterr().err
    assert apart(curve(whole), curve(tmp_path)) < 1e-4


def test_killed_at_a_random_step_it_ends_with_the_same_curve(whole: Path, tiny: Path, root: Path, train: Train, tmp_path: Path):
    command = [
        sys.executable,
        "workflow_scripts/train_model.py",
        *arguments_of(tiny, root, tmp_path, {}, "--checkpoint-minutes", "0"),
    ]
    step = random.randrange(1, STEPS - 2)
    with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE, text=True) as process:
        limit = time.monotonic() + 300
        while not (tmp_path / f"checkpoints/step-{step:06}").exists() and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -signal.SIGKILL, f"killed too late, step {step}"
    assert not (tmp_path / "model.json").exists()
    train(tmp_path)
    assert (tmp_path / "training.jsonl").read_bytes() == (whole / "training.jsonl").read_bytes(), f"killed after step {step}"


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system on which two checkpoints of the tiny model find room, and no third beside them."""
    disk = tmp_path / "disk"
    disk.mkdir()
    size = 8_300  # kilobytes
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", str(disk)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small file system needs root: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_ends_with_a_clear_message_and_a_usable_checkpoint(whole: Path, train: Train, small_disk: Path, tmp_path: Path):
    with pytest.raises(SystemExit) as end:
        train(small_disk, None, "--checkpoint-minutes", "0")
    assert "no space left on the disk" in str(end.value.code) and "the checkpoint step-00000" in str(end.value.code)
    assert not list(small_disk.glob("checkpoints/*.part"))
    roomy = tmp_path / "roomy"
    shutil.copytree(small_disk, roomy)
    train(roomy)
    assert (roomy / "training.jsonl").read_bytes() == (whole / "training.jsonl").read_bytes()


# --------------------------------------------------------------------------------------------------------- whoever computes it


@pytest.mark.parametrize("settings", [{"micro_batch": 4}, {"micro_batch": 1}, {"gradient_checkpointing": True}])
def test_how_much_is_computed_at_once_changes_nothing(settings: dict, whole: Path, train: Train, tmp_path: Path):
    train(tmp_path, settings)
    assert apart(curve(whole), curve(tmp_path)) < 1e-4


def test_pairs_laid_end_to_end_do_not_see_each_other(whole: Path, train: Train, tmp_path: Path):
    train(tmp_path, {"packing": True, "micro_batch": 4})
    assert apart(curve(whole), curve(tmp_path)) < 1e-4


def test_two_processes_have_the_curve_of_one_and_what_two_began_one_ends(
    whole: Path, tiny: Path, root: Path, train: Train, tmp_path: Path, capfd
):
    """FSDP2 over gloo; SIGTERM reaches both processes through torchrun."""
    launch = [sys.executable, "workflow_scripts/launch_training.py", "--processes", "2"]
    two = tmp_path / "two"
    subprocess.run([*launch, *arguments_of(tiny, root, two, {})], cwd=root, check=True, timeout=300)
    assert apart(curve(whole), curve(two)) < 1e-3
    own, theirs = weights(whole), weights(two)
    assert own.keys() == theirs.keys() and all(torch.allclose(own[name], theirs[name], atol=1e-3) for name in own)
    facts = [json.loads((out / "model.json").read_text(encoding="utf-8"))["trained"] for out in (whole, two)]
    assert facts[0]["held_out"]["after"]["nll"] == pytest.approx(facts[1]["held_out"]["after"]["nll"], rel=1e-3)

    ended = tmp_path / "ended"
    command = [*launch, *arguments_of(tiny, root, ended, {}, "--checkpoint-minutes", "0")]
    with subprocess.Popen(command, cwd=root) as process:
        limit = time.monotonic() + 300
        while not list((ended / "checkpoints").glob("step-??????")) and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=120)
    assert process.returncode != 0 and not (ended / "model.json").exists()
    files = sorted(path.name for path in sorted((ended / "checkpoints").glob("step-??????"))[-1].glob("*.safetensors"))
    assert files == ["process-0.safetensors", "process-1.safetensors"]
    capfd.readouterr()
    train(ended)
    assert "going on after step" in capfd.readouterr().err
    assert apart(curve(whole), curve(ended)) < 1e-3


# ------------------------------------------------------------------------------------------------------------ low-rank additions


def test_additions_are_merged_into_the_bases_own_weights(train: Train, tiny: Path, tmp_path: Path):
    facts = train(tmp_path, {"lora": {"rank": 4, "layers": ["q_proj", "v_proj"]}})["trained"]
    base, own = weights_of_base(tiny), weights(tmp_path)
    assert base.keys() == own.keys()
    changed = {name for name in base if not torch.equal(base[name], own[name])}
    assert changed == {name for name in base if "q_proj" in name or "v_proj" in name}
    for name in changed:
        assert torch.linalg.matrix_rank((own[name] - base[name]).double(), rtol=1e-4) <= 4
    assert facts["lora"]["rank"] == 4 and facts["held_out"]["after"]["nll"] < facts["held_out"]["before"]["nll"]


def test_the_merged_model_has_the_loss_that_was_measured_with_additions_beside(train: Train, tiny: Path, tmp_path: Path):
    first = train(tmp_path / "first", {"lora": {"rank": 4}})["trained"]["held_out"]["after"]
    base = json.loads((tiny / "base.json").read_text(encoding="utf-8")) | {"path": str(tmp_path / "first/weights")}
    (tmp_path / "base.json").write_text(json.dumps(base), encoding="utf-8")
    again = train(tmp_path / "again", None, "--base", str(tmp_path / "base.json"))["trained"]["held_out"]["before"]
    assert again["nll"] == pytest.approx(first["nll"], rel=1e-4)


def test_a_linear_schedule_falls_in_a_line(train: Train, tmp_path: Path):
    train(tmp_path, {"schedule": "linear", "warmup": 0.0})
    rates = [point["learning_rate"] for point in curve(tmp_path)]
    assert rates == pytest.approx([3e-3 * (STEPS - step) / STEPS for step in range(STEPS)])


def test_weights_can_be_stored_in_bfloat16(train: Train, tmp_path: Path):
    train(tmp_path, {"save_dtype": "bfloat16"})
    assert {tensor.dtype for tensor in weights(tmp_path).values()} == {torch.bfloat16}
    assert json.loads((tmp_path / "weights/config.json").read_text())["dtype"] == "bfloat16"
