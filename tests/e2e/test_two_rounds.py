"""A second round of curation in a real run: its judge is the final model of the first, its results stand apart, and the first stays as it was."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from e2e.conftest import Project, finished_jobs
from kun.books.ledger import CHAIN, Ledger, check_chain
from kun.books.rounds import folder_of_stage
from kun.books.stage import ledger_path
from kun.books.tables import metadata_of
from kun.corpus.plan import read_plan

CUT = ["score={percentile: 30}"]
TWO = [
    *CUT,
    "iterations=2",
    "training={final: {epochs: 0.5, learning_rate: 1.0e-4}, system_prompts: {seed: 你是一位助手。, generated: 以下内容来自网页。}}",
]
AGAIN = {"score", "select_instructions", "polish", "check_answers"}  # what a round does with each shard
ONCE = {"calibrate", "calibrate_judge", "measure_judge", "measure_judge_at_cut", "assemble", "export", "report"}


def test_the_second_round_is_judged_by_the_first_ones_final_model(finished: Project, tmp_path: Path) -> None:
    project = finished.copied_to(tmp_path / "kun")
    results = project.path("results")
    project.snakemake("--config", *CUT)
    first = {path: path.read_bytes() for path in files_of_round_one(results)}
    asked = journals(results)

    ran = finished_jobs(project.snakemake("--config", *TWO))

    shards = [shard.id() for shard in read_plan(project.path("results/plan.json"))]
    assert ran == dict.fromkeys(AGAIN, len(shards)) | dict.fromkeys(ONCE, 1) | {"train_final_model": 1, "all": 1}
    assert {path: path.read_bytes() for path in files_of_round_one(results)} == first, "the first round stays as it was"
    assert journals(results) == asked, "no instruction is written again, and none is answered again that was answered before"

    # Who judged: the final model, which learnt the seed pairs and the first round's pairs.
    final = json.loads((results / "models/final/model.json").read_text(encoding="utf-8"))
    chat = json.loads((results / "models/chat/model.json").read_text(encoding="utf-8"))
    learnt = final["trained"]["generated_pairs"] + final["trained"]["left_out_as_held_out"]
    assert final["system"] == "你是一位助手。" and learnt == pq.read_table(results / "dataset/pairs.parquet").num_rows

    # The same labelled texts, each round's books in balance, and each round's cut found from its own scores.
    for shard in shards:
        check_chain(shard, {s: Ledger.read(ledger_path(folder_of_stage(results, s, 2) / f"{shard}.parquet")) for s in CHAIN})
    before, after = (whole(results, "scored", number, shards) for number in (1, 2))
    assert before["id"].equals(after["id"]) and before["candidates"].equals(after["candidates"])
    assert not before["score"].equals(after["score"])
    assert [set(table["point_model"].to_pylist()) for table in (before, after)] == [{chat["fingerprint"]}, {final["fingerprint"]}]
    assert set(whole(results, "polished", 2, shards)["answer_model"].to_pylist()) <= {chat["fingerprint"]}
    cuts = [json.loads((results / folder / "calibration/score.json").read_text()) for folder in ("", "rounds/2")]
    assert cuts[0]["identity"] != cuts[1]["identity"] == metadata_of(results / f"rounds/2/scored/{shards[0]}.parquet")["score"]

    # What a person looks at.
    page = (results / "rounds/2/report/index.html").read_text(encoding="utf-8")
    judged = [json.loads((results / folder / "judge/judge.json").read_text())["roc_auc"] for folder in ("", "rounds/2")]
    assert "The rounds of curation" in page and all(f"{auc:.3f}</td>" in page for auc in judged)
    assert "scored by the final model of round 1" in (results / "rounds/2/dataset/README.md").read_text(encoding="utf-8")
    assert "scored by the primary chat model" in (results / "dataset/README.md").read_text(encoding="utf-8")

    done = project.snakemake("--config", *TWO)
    assert "Nothing to be done" in done.stdout + done.stderr


def files_of_round_one(results: Path) -> list[Path]:
    """Everything but the second round, the final model, and how it went."""
    others = {"rounds", "final", "logs", "benchmarks", "completions"}
    return sorted(path for path in results.rglob("*") if path.is_file() and not others & set(path.relative_to(results).parts))


def journals(results: Path) -> dict[Path, bytes]:
    """What was asked for instructions and answers. All instructions were answered before there was a cut."""
    return {path: path.read_bytes() for stage in ("label", "polish") for path in (results / "completions" / stage).rglob("*.jsonl")}


def whole(results: Path, stage: str, number: int, shards: list[str]) -> pa.Table:
    """A stage's table of all shards in a round."""
    tables = [pq.read_table(folder_of_stage(results, stage, number) / f"{shard}.parquet") for shard in shards]
    return pa.concat_tables(table.replace_schema_metadata(None) for table in tables)
