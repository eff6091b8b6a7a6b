"""One whole run: what is delivered, that the books close, and that neither cores nor a kill nor a rerun changes a byte."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from e2e.conftest import Project, finished_jobs, jobs_of
from kun.books.ledger import CHAIN, Ledger, check_chain
from kun.books.stage import dropped_path, ledger_path
from kun.books.tables import count_rows
from kun.corpus.plan import read_plan
from slurm.cluster import why_not


def test_the_dataset_holds_the_same_pairs_in_every_format(finished: Project) -> None:
    pairs = pq.read_table(finished.path("results/dataset/pairs.parquet")).to_pylist()
    alpaca = json.loads(finished.path("results/dataset/alpaca.json").read_text())
    messages = [json.loads(line) for line in finished.path("results/dataset/messages.jsonl").read_text().splitlines()]

    assert len(pairs) >= 5  # of 30 instructions; how many a model of this size answers well differs between machines
    assert [(pair["instruction"], pair["output"]) for pair in pairs] == [
        (record["instruction"], record["output"]) for record in alpaca
    ]
    assert [[turn["content"] for turn in record["messages"]] for record in messages] == [
        [pair["instruction"], pair["output"]] for pair in pairs
    ]
    assert len({pair["source"] for pair in pairs} & {"wudao", "wanjuan", "skypile"}) >= 2
    for pair in pairs:
        assert pair["text"] and pair["locator"] and 0 <= pair["score"] <= 1 and pair["perplexity"] > 1
        assert len({pair["label_model"], pair["point_model"]}) == 2 and pair["point_model"] == pair["answer_model"]


def test_every_record_is_accounted_for_from_raw_to_pair(finished: Project) -> None:
    shards = [shard.id() for shard in read_plan(finished.path("results/plan.json"))]
    results = finished.path("results")
    assert len(shards) == 4
    kept = 0
    for shard in shards:
        tables = {folder: results / folder / f"{shard}.parquet" for folder in CHAIN}
        ledgers = {folder: Ledger.read(ledger_path(table)) for folder, table in tables.items()}
        check_chain(shard, ledgers)
        for folder, table in tables.items():
            assert count_rows(table) == ledgers[folder].kept
            assert count_rows(dropped_path(table)) == ledgers[folder].came_in - ledgers[folder].kept
        kept += ledgers["pairs"].kept
    assert Ledger.read(results / "dataset/pairs.ledger.json").came_in == kept
    raw = {shard: Ledger.read(ledger_path(results / "documents" / f"{shard}.parquet")) for shard in shards}
    assert sum(ledger.came_in for ledger in raw.values()) == 14 + 15 + 12 + 13
    assert next(ledger for shard, ledger in raw.items() if shard.startswith("wanjuan/")).failed == {"damaged": 1}


def test_the_report_shows_text_as_text(finished: Project) -> None:
    page = finished.path("results/report/index.html").read_text(encoding="utf-8")
    assert "primary data" in page and "damaged" in page
    assert "<script" not in page and "<b>早餐" not in page


def test_the_judge_is_measured_and_the_report_shows_it(finished: Project) -> None:
    found = json.loads(finished.path("results/judge/judge.json").read_text())
    assert (found["good"], found["bad"], found["failed"]) == (60, 60, 0)
    page = finished.path("results/report/index.html").read_text(encoding="utf-8")
    assert f"{found['roc_auc']:.3f} (the chance" in page and "other_modes" in page and 'aria-label="ROC curve of the judge"' in page


def test_the_judge_can_be_looked_at_before_any_of_the_corpus_is_scored(finished: Project) -> None:
    """Also under a percentile, which is known only afterwards."""
    jobs = jobs_of(finished.snakemake("judge", "--dry-run", "--config", "results=looked", "score={percentile: 50}"))
    assert jobs["calibrate_judge"] == 1 and not {"label", "score", "calibrate", "ingest", "measure_judge_at_cut"} & set(jobs)


def test_a_second_run_does_nothing(finished: Project) -> None:
    done = finished.snakemake()
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.skipif(not why_not(), reason="tests/slurm compares a run from scratch, in which each job has its own cores")
def test_one_core_and_a_run_from_scratch_give_the_same_bytes(fresh: Project, finished: Project, tmp_path: Path) -> None:
    """With the answers that the first run had: they are asked for by the models' fingerprints, so one that came out different asks anew. That
    answers themselves come out the same is the next test's."""
    alone = fresh.copied_to(tmp_path / "kun")
    shutil.copytree(finished.path("results/completions"), alone.path("results/completions"))
    alone.snakemake(cores=1)
    assert alone.answers() == finished.answers()
    assert alone.dataset() == finished.dataset()


@pytest.mark.parametrize("stage", ["label", "polish"])
def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(finished: Project, tmp_path: Path, stage: str) -> None:
    project = finished.copied_to(tmp_path / "kun")
    stages = ["labelled", "scored", "curated", "polished", "pairs"] if stage == "label" else ["polished", "pairs"]
    for folder in [*stages, "dataset"]:
        for path in project.path("results", folder).rglob("*.*"):
            path.unlink()
    journals = project.path("results/completions", stage)
    for journal in list(journals.rglob("*.jsonl")):
        journal.unlink()

    running = subprocess.Popen(
        project.command(), cwd=project.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    until = time.monotonic() + 400
    while not any(journal.stat().st_size for journal in journals.rglob("*.jsonl")):
        assert running.poll() is None and time.monotonic() < until, f"no {stage} answer came"
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    before = project.answers()
    torn = max(journals.rglob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    with torn.open("ab") as stream:
        stream.write(
            b'{"keys":"0123456789abcdef0123456789abcdef","answers":[{"text":"\xe5'
        )  # what a kill in the middle of a write leaves
    status = [sys.executable, "workflow_scripts/status.py", "results"]
    said = subprocess.run(status, cwd=project.folder, capture_output=True, text=True, check=True).stdout
    row = next(line for line in said.splitlines() if line.startswith({"label": "labelled", "polish": "polished"}[stage]))
    assert not row.split()[1].startswith("4/") and "4/4" in said and f"{stage}" in said.partition("Failed, by reason")[0]

    project.snakemake("--unlock")
    project.snakemake()
    assert project.dataset() == finished.dataset()
    torn.write_bytes(b"\n".join(torn.read_bytes().split(b"\n")[:-1]) + b"\n")
    assert before <= project.answers() == finished.answers()


def test_a_wrong_configuration_stops_before_any_job(fresh: Project, tmp_path: Path) -> None:
    project = fresh.copied_to(tmp_path / "kun")
    done = project.snakemake("--config", "primary={max_token: 256}", check=False)
    assert done.returncode != 0
    assert "primary.max_token: there is no such key; did you mean max_tokens?" in done.stdout + done.stderr
    assert not project.path("results").exists() and not finished_jobs(done)


def test_given_models_are_used_and_nothing_is_trained(finished: Project, tmp_path: Path) -> None:
    """The published command's five arguments: label model, point model, answer model, data folder, output folder."""
    project = finished.copied_to(tmp_path / "kun")
    label, chat = "results/models/label/weights", "results/models/chat/weights"
    # What was answered is not asked again, for the fingerprint is of the models' content; verdicts are.
    shutil.copytree(project.path("results/completions"), project.path("given/completions"))
    shutil.rmtree(project.path("given/completions/score"))
    begun = time.time()
    done = project.snakemake(
        "--config", f"models={{label: {label}, point: {chat}, answer: {chat}}}", "corpus={data_folder: data}", "results=given"
    )
    ran = finished_jobs(done)
    assert not {"train_label_model", "train_chat_model", "prepare_seed"} & set(ran) and ran["locate_model"] == 3
    journals = {path.parts[-4] for path in project.path("given/completions").rglob("*.jsonl") if path.stat().st_mtime > begun}
    assert "score" in journals and not {"label", "polish"} & journals
    ours, theirs = (pq.read_table(project.path(folder, "dataset/pairs.parquet")).drop(["shard"]) for folder in ("given", "results"))
    assert ours.equals(theirs)
