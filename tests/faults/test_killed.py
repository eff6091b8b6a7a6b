"""kill -9 at random moments, ten times over, then a finished run: its output is that of a run that nobody disturbed, byte for byte."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from kun.books.tables import TableWriter, read_rows
from kun.completions.journal import answers_of, lines_of, segments
from kun.roles.columns import PRIMARY

BATCH, TEXTS = 4, 80
ENGINE = {"batch": BATCH, "threads": 1, "dtype": "float32", "device": "cpu"}
DRAWN = {"decoding": {"max_tokens": 24, "temperature": 0.7, "repetition_penalty": 1.0}}


@pytest.fixture
def work(material: Path, base_model: Path, tmp_path: Path) -> Path:
    """A shard of primary data and a model's description."""
    lines = (material / "reference/reviews.jsonl").read_text(encoding="utf-8").splitlines()
    texts = list(dict.fromkeys(json.loads(line)["text"][:120] for line in lines))[:TEXTS]
    table = TableWriter(tmp_path / "primary.parquet", PRIMARY)
    for number, text in enumerate(texts):
        known = {"title": "", "category": "", "locator": "", "tokens": 5, "perplexity": 1.0, "causal_perplexity": None}
        table.add({"id": str(number), "text": text, **known})
    table.close()
    (tmp_path / "model.json").write_text(json.dumps({"path": str(base_model), "fingerprint": "m"}))
    return tmp_path


def label(root: Path, work: Path, run: str) -> subprocess.Popen:
    command = [sys.executable, "workflow_scripts/label.py", "--records", work / "primary.parquet", "--model", work / "model.json"]
    command += ["--engine", json.dumps(ENGINE), "--prompt", "config/prompts/label.jinja", "--store", work / run / "journal"]
    command += ["--settings", json.dumps(DRAWN), "--name", "label", "--output", work / run / "labelled.parquet"]
    (work / run).mkdir(exist_ok=True)
    return subprocess.Popen(list(map(str, command)), cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def stored(work: Path, run: str) -> Counter[str]:
    """How often each key stands in the journal."""
    found: Counter[str] = Counter()
    for segment in segments(work / run / "journal"):
        for _, line in lines_of(segment):
            found.update(answers_of(line)[0].keys())
    return found


def size(work: Path, run: str) -> int:
    return sum(segment.stat().st_size for segment in segments(work / run / "journal"))


def finish(running: subprocess.Popen) -> None:
    _, said = running.communicate(timeout=600)
    assert running.returncode == 0, said.decode()[-3000:]


def test_killed_ten_times_at_random_moments_and_then_finished(root: Path, work: Path):
    finish(label(root, work, "undisturbed"))
    chance, kills = random.Random(20240111), 0
    while kills < 10:
        running = label(root, work, "killed")
        before, until = size(work, "killed"), time.monotonic() + 120
        # Half of them are killed as soon as something new is on disk, the others a moment later or while they are loading.
        moment = chance.choice(["loading", "first answer", "first answer", "later"])
        while moment != "loading" and running.poll() is None and size(work, "killed") == before and time.monotonic() < until:
            time.sleep(0.02)
        time.sleep(chance.random() * {"loading": 3, "first answer": 0.02, "later": 0.5}[moment])
        if running.poll() is not None:
            break  # it came to its end between two looks
        running.send_signal(signal.SIGKILL)
        running.communicate()
        kills += 1
        assert not (work / "killed/labelled.parquet").exists()
    assert kills >= 4, "the runs are over too soon to be killed: the test is none"
    shutil.rmtree(work / "killed/__pycache__", ignore_errors=True)
    finish(label(root, work, "killed"))

    for name in ("labelled.parquet", "labelled.dropped.parquet", "labelled.ledger.json"):
        assert (work / "killed" / name).read_bytes() == (work / "undisturbed" / name).read_bytes()
    assert len(list(read_rows(work / "killed/labelled.parquet"))) > 10  # many of the tiny model's are cut off at so few tokens
    assert set(stored(work, "killed")) == set(stored(work, "undisturbed"))
    assert max(stored(work, "killed").values()) == 1, "an answer that was on disk was asked for again"


def test_a_run_that_is_told_to_end_keeps_every_answer_it_had(root: Path, work: Path):
    running = label(root, work, "ended")
    until = time.monotonic() + 120
    while not size(work, "ended"):
        assert running.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=60)
    assert running.returncode == 128 + signal.SIGTERM
    [segment] = segments(work / "ended/journal")
    assert segment.read_bytes().endswith(b"}\n"), "the last line is whole"
    assert segment.with_name(segment.name + ".index").exists(), "the journal was closed"
    assert len(stored(work, "ended")) % BATCH == 0
    assert not (work / "ended/labelled.parquet").exists()
    assert not list((work / "ended").glob("*.partial"))
