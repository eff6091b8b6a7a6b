"""`snakemake --profile slurm`, as typed, on a real Slurm of one node with two pretended GPUs: nothing finds CUDA there, so models run on
the CPU, but jobs ask for a GPU each and are given one. One cluster and few runs, because each job starts Snakemake twice."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from e2e.conftest import CONFIG, Project
from kun.corpus.plan import read_plan
from slurm.cluster import Cluster, Step, running_cluster, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "")

SITE = {
    "account": None,
    "gpu_model": "h100",
    "scratch": None,
    "partitions": {"cpu": {"max_runtime": "2d", "max_mem_mb": 64000}, "gpu": {"max_gpu": 2}},
    "options": {"jobs": 20},
}
# The rules that one Slurm job runs for one shard, by the group's name.
CHAINS = {
    "front": ("ingest", "measure"),
    "label": ("select_primary", "label", "score"),
    "answer": ("select_instructions", "polish", "check_answers"),
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


class Run:
    """`snakemake --profile slurm` in a folder, in the background."""

    def __init__(self, folder: Path):
        self.log = folder / f"{time.time_ns()}.log"
        snakemake = Path(sys.executable).parent / "snakemake"
        hurry = Path(__file__).parent / "hurry"
        environment = {**Project.environment(), "PYTHONPATH": str(hurry)}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [snakemake, "--profile", "slurm"],
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def says(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def wait_for(self, what: Callable[[], bool], seconds: float = 1200) -> None:
        until = time.monotonic() + seconds
        while not what():
            assert self.process.poll() is None and time.monotonic() < until, self.says()[-6000:]
            time.sleep(0.2)

    def finish(self) -> None:
        assert self.process.wait(timeout=1800) == 0, self.says()[-6000:]

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def finished(self) -> Counter[str]:
        """How often each rule was reported as finished."""
        return Counter(re.findall(r"Finished jobid: \d+ \(Rule: (\w+)\)", self.says()))

    def name_of_jobs(self) -> str:
        """The name that all its Slurm jobs bear."""
        return re.search(r"SLURM run ID: (\S+)", self.says())[1]


@pytest.fixture
def run_in() -> Iterator[Callable[[Path], Run]]:
    """What starts a run in a folder; none outlives its test."""
    runs: list[Run] = []

    def started(folder: Path) -> Run:
        runs.append(Run(folder))
        return runs[-1]

    yield started
    for run in runs:
        run.kill()


def adapted(folder: Path) -> None:
    """The one file that a site adapts."""
    (folder / "profiles/slurm/site.yaml").write_text(yaml.safe_dump(SITE), encoding="utf-8")


def test_a_cancelled_job_and_one_that_lacks_memory_are_submitted_again_with_more(
    cluster: Cluster, run_in: Callable[[Path], Run], root: Path, tmp_path: Path
) -> None:
    shutil.copytree(root / "profiles", tmp_path / "profiles")
    (tmp_path / "slurm").symlink_to((root / "slurm").readlink())
    adapted(tmp_path)
    (tmp_path / "Snakefile").write_bytes((root / "tests/slurm/small.smk").read_bytes())
    run = run_in(tmp_path)
    run.finish()
    first, second = (tmp_path / "cancelled.jobs").read_text().split()
    assert cluster.states()[first] == "CANCELLED" and cluster.states()[second] == "COMPLETED"
    before, after = (tmp_path / "hungry.jobs").read_text().split()
    assert cluster.job(before)["JobState"] != "COMPLETED" and cluster.job(after)["JobState"] == "COMPLETED"
    for one, other in ((first, second), (before, after)):
        assert (cluster.job(one)["MinMemoryNode"], cluster.job(other)["MinMemoryNode"]) == ("400M", "800M")
        assert cluster.job(one)["Partition"] == "cpu"
        assert cluster.job(one)["Requeue"] == "1", "Slurm starts it again after the failure of a node"


def test_a_run_with_a_restarted_controller_and_a_killed_snakemake_makes_the_local_runs_bytes(
    cluster: Cluster, run_in: Callable[[Path], Run], fresh: Project, finished: Project, tmp_path: Path
) -> None:
    project = fresh.copied_to(tmp_path / "我的 项目")
    adapted(project.folder)
    config = CONFIG | {"resources": {"gpus_training": 1, "gpus_completions": 1}}
    project.path("config/config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    earlier = set(cluster.states())

    first = run_in(project.folder)
    first.wait_for(lambda: any(project.path("results/completions/label").rglob("*.jsonl")))
    cluster.stop_controller()
    time.sleep(2)
    cluster.start_controller()
    first.wait_for(lambda: first.finished()["score"] > 0)
    first.kill()
    # What a person does, docs/slurm.md.
    subprocess.run(["scancel", "--name", first.name_of_jobs()], check=True)
    first_jobs = first.finished()
    until = time.monotonic() + 60
    while cluster.jobs():
        assert time.monotonic() < until
        time.sleep(0.2)
    project.snakemake("--unlock")
    second = run_in(project.folder)
    second.finish()

    assert project.dataset() == finished.dataset()
    assert project.answers() == finished.answers(), "nothing was asked twice, and nothing is missing"
    shards = len(read_plan(project.path("results/plan.json")))
    both = first_jobs + second.finished()
    assert first_jobs["score"] > 0 and both["score"] == shards
    assert {rule: both[rule] for chain in CHAINS.values() for rule in chain} == {
        rule: shards for chain in CHAINS.values() for rule in chain
    }
    assert {rule: count for rule, count in both.items() if count > shards} == {}
    assert both["train_label_model"] == both["train_chat_model"] == both["find_duplicates"] == both["assemble"] == 1

    jobs = {number: cluster.job(number) for number in cluster.states() if number not in earlier}
    done = Counter(job["Comment"] for job in jobs.values() if job["JobState"] == "COMPLETED")
    assert done["rule_" + "_".join(["front", *CHAINS["front"]])] == shards
    assert not {f"rule_{rule}" for chain in CHAINS.values() for rule in chain} & set(done), "a chain is one job"

    steps = [step for step in cluster.steps() if step.job in jobs]
    on_gpus = [step for step in steps if step.devices]
    asked = {number for number, job in jobs.items() if "gpu:h100:1" in job.get("TresPerJob", "")}
    assert {step.job for step in on_gpus} == asked & {step.job for step in steps} and len(asked) >= 2 * shards + 3
    assert {(step.partition, len(step.devices)) for step in steps} == {("cpu", 0), ("gpu", 1)}
    for step in on_gpus:
        taken = devices_at(step.began, on_gpus)
        assert len(taken) == len(set(taken)) <= 2, "no two jobs have one GPU at once, and there are two"
    assert max(len(devices_at(step.began, on_gpus)) for step in on_gpus) == 2, "GPUs are not left idle"


def devices_at(time: float, steps: list[Step]) -> list[str]:
    """The GPUs that jobs hold at a time."""
    return [device for step in steps if step.name == "batch" and step.began <= time < step.ended for device in step.devices]
