"""How far a run is, by its files: finished shards, jobs at work and stopped, torn files, and that looking costs little and changes nothing."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kun.books.digests import digest
from kun.books.ledger import Ledger
from kun.completions.requests import Completion
from kun.completions.store import Store
from kun.corpus.plan import Shard, plan_as_json
from kun.report import standing as module
from kun.report.standing import standing
from status import as_text, duration

NAMES = ("甲", "乙", "丙", "丁")


def ledger(results: Path, stage: str, name: str, came_in: int, kept: int, when: float, failed: int = 0) -> None:
    path = results / stage / f"web/{name}.ledger.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    dropped = {"too_long": came_in - kept - failed} if came_in > kept + failed else {}
    made = Ledger(stage=stage, came_in=came_in, kept=kept, dropped=dropped, failed={"failed": failed} if failed else {})
    path.write_bytes(made.to_json())
    os.utime(path, (when, when))


def log(results: Path, rule: str, name: str, text: str, when: float) -> None:
    path = results / f"logs/{rule}/web/{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    os.utime(path, (when, when))


@pytest.fixture
def now() -> float:
    return time.time()


@pytest.fixture
def results(tmp_path: Path, now: float) -> Path:
    """Four shards: two labelled, one being labelled, one whose ingestion stopped; a torn ledger and a torn journal."""
    (tmp_path / "plan.json").write_text(plan_as_json(Shard("web", name, "jsonl", "utf-8", ()) for name in NAMES), encoding="utf-8")
    for place, name in enumerate(NAMES[:3]):
        for stage in ("documents", "signals"):
            ledger(tmp_path, stage, name, 100, 100 if stage == "signals" else 98, now - 900 + place * 10, failed=0)
        ledger(tmp_path, "primary", name, 98, 60, now - 800)
    for place, name in enumerate(NAMES[:2]):
        ledger(tmp_path, "labelled", name, 60, 57, now - 600 + place * 300, failed=3)
        log(tmp_path, "label", name, "label web: 60 of 60 answers\n", now - 600)
    log(tmp_path, "ingest", "丁", "ingest web/丁: 9 of 40 records cannot be used\nRepair \x1b[31mthe file\n", now - 700)
    store = Store(tmp_path / "completions/label/web/丙", {"name": "transformers"})
    store.add({digest(str(number)): Completion("写一句话", "stop", 90, 10) for number in range(20)})
    store.close()
    [segment] = (tmp_path / "completions/label/web/丙").glob("*.jsonl")
    began = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now - 15))
    segment = segment.rename(segment.with_name(f"{began}.000000000-node-00000000.jsonl"))
    with segment.open("ab") as stream:
        stream.write(b'{"keys":"0123456789abcdef0123456789abcdef","answers":[{"text":"\xe5')
    os.utime(segment, (now - 5, now - 5))
    log(tmp_path, "label", "丙", "label web/丙: 10 of 60 answers · 2 answers/s\n", now - 5)
    (tmp_path / "scored/web").mkdir(parents=True)
    (tmp_path / "scored/web/甲.ledger.json").write_text('{"in": 57, "kept": 5')
    return tmp_path


def test_shards_records_and_reasons_are_summed_by_stage(results, now):
    run = standing(results, now)
    stages = {stage.stage: stage for stage in run.stages}
    assert "causal" not in stages and run.pairs is None
    assert (stages["documents"].done, stages["documents"].shards, stages["documents"].came_in) == (3, 4, 300)
    assert stages["documents"].coming == 100 and not stages["documents"].certain
    assert (stages["labelled"].done, stages["labelled"].kept, dict(stages["labelled"].failed)) == (2, 114, {"failed": 6})
    assert dict(stages["primary"].dropped) == {"too_long": 114}
    assert stages["scored"].done == 0  # its ledger is half written


def test_a_job_at_work_is_timed_by_its_journal_and_a_torn_end_counts_nothing(results, now):
    [labelled] = [stage for stage in standing(results, now).stages if stage.stage == "labelled"]
    [job] = labelled.doing
    assert job.shard == "web/丙" and job.answers == 20 and job.at_work()
    assert labelled.rate() == pytest.approx(2.0, rel=0.11) and labelled.tokens_rate() == pytest.approx(200, rel=0.11)
    # 60 of 丙, and about as many of 丁, which is not read yet; 20 of them are answered.
    assert not labelled.certain and labelled.left() == pytest.approx((120 - 20) / labelled.rate())


def test_a_long_journal_is_reckoned_from_its_end(results, now, monkeypatch):
    store = Store(results / "completions/label/web/丙", {"name": "transformers"})
    for start in range(0, 6400, 64):
        store.add({digest(f"{start + number}"): Completion("写一句话", "stop", 90, 10) for number in range(64)})
    store.close()
    monkeypatch.setattr(module, "TAIL", 50_000)
    [labelled] = [stage for stage in standing(results, now).stages if stage.stage == "labelled"]
    assert labelled.doing[0].answers == pytest.approx(6420, rel=0.05)


def test_a_job_that_stopped_is_shown_with_the_end_of_its_log(results, now):
    text = as_text(standing(results, now))
    assert "web/丁" in text and "its log ends: Repair  [31mthe file" in text and "\x1b" not in text
    assert "label web/丙: 10 of 60" in text and "labelled: failed 6" in text and "Last written to 5 s ago" in text
    assert "no job seems to be at work" in as_text(standing(results, now + 3600))


def test_time_left_is_said_only_where_something_moves(results, now):
    assert all(stage.left() is None for stage in standing(results, now + 3600).stages if stage.done < stage.shards)


@pytest.mark.parametrize("plan", [None, b"", b"[{", b'{"a": 1}'])
def test_where_no_run_has_begun_it_says_so(tmp_path, root, plan):
    if plan is not None:
        (tmp_path / "plan.json").write_bytes(plan)
    done = subprocess.run([sys.executable, root / "workflow_scripts/status.py", tmp_path], capture_output=True, text=True)
    assert done.returncode == 1 and "no run has begun there" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("what", [b"", b"null", b"[]", b'{"in": "x", "kept": 1}', b"\xff\xfe", b'{"in": 1, "kept": 1}'])
def test_no_ledger_however_wrong_ends_it(results, now, what):
    (results / "primary/web/甲.ledger.json").write_bytes(what)
    (results / "dataset").mkdir()
    (results / "dataset/pairs.ledger.json").write_bytes(what)
    [primary] = [stage for stage in standing(results, now).stages if stage.stage == "primary"]
    assert primary.done == 2


def test_looking_imports_little_and_leaves_everything_as_it_was(results, root):
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(results.rglob("*"))}
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]; sys.path.insert(0, sys.argv[0].rpartition('/')[0])\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "print('imported:', sorted({'torch', 'polars', 'pyarrow', 'numpy', 'pydantic', 'snakemake'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(root / "workflow_scripts/status.py"), str(results)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == 0 and done.stdout.endswith("imported: []\n"), done.stdout + done.stderr
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in sorted(results.rglob("*"))} == before


def test_durations_are_for_people():
    assert [duration(seconds) for seconds in (-3, 40, 600, 7260)] == ["0 s", "40 s", "10 min", "2 h 01 min"]


def test_a_finished_dataset_is_said_to_be(results, now):
    (results / "dataset").mkdir()
    (results / "dataset/pairs.ledger.json").write_text(json.dumps({"in": 1300, "kept": 1234, "dropped": {}, "failed": {}}))
    assert standing(results, now).pairs is None
    (results / "dataset/README.md").write_text("")
    assert "finished: 1,234 pairs" in as_text(standing(results, now))
