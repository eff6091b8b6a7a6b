"""The plan beside a real run: by a pilot before anything is done, by what is done after, and that neither disturbs the run."""

import json
from pathlib import Path

import pytest

from e2e.conftest import Project, finished_jobs, jobs_of
from kun.books.ledger import Ledger

STAGES = ("labelled", "scored", "curated", "polished", "pairs")


def kept(project: Project, stage: str) -> list[float]:
    plan = json.loads(project.path("results/report/plan.json").read_text())
    return next(entry["kept"] for entry in plan["stages"] if entry["stage"] == stage)


def test_a_pilot_tells_what_the_models_do_and_a_finished_run_what_they_did(finished: Project, tmp_path: Path) -> None:
    project = finished.copied_to(tmp_path / "kun")
    done = project.snakemake("pilot", "--config", "plan={pilot: 8}")
    assert finished_jobs(done) == {"draw_pilot": 1, "pilot": 1}
    for stage, before in zip(STAGES, ("primary", *STAGES), strict=False):
        ledgers = [Ledger.read(project.path("results/pilot", folder, "pilot/pilot.ledger.json")) for folder in (before, stage)]
        assert ledgers[0].kept == ledgers[1].came_in
    assert ledgers[0].came_in > 0

    said = project.snakemake("plan").stdout
    assert "pairs from 54 raw records" in said and "measured here: " in project.path("results/report/plan.html").read_text()
    for stage in STAGES:  # all is done, so the plan is what happened
        ledgers = [Ledger.read(path) for path in project.path("results", stage).rglob("*.ledger.json")]
        assert kept(project, stage) == [sum(ledger.kept for ledger in ledgers)] * 3
    assert kept(project, "dataset")[1] == pytest.approx(Ledger.read(project.path("results/dataset/pairs.ledger.json")).kept)
    assert "measured here: " in project.path("results/report/speeds.yaml").read_text()
    assert jobs_of(project.snakemake("--dry-run")) == {}

    for folder in (*STAGES, "dataset"):  # as before the run, but for the pilot
        for ledger in project.path("results", folder).rglob("*.ledger.json"):
            ledger.unlink()
    drawn = Ledger.read(project.path("results/pilot/primary/pilot/pilot.ledger.json")).kept  # rounded for each source
    assert 6 <= drawn <= 10 and f"pilot of {drawn}" in project.snakemake("plan").stdout
