"""What Snakemake takes for many shards: the shard plan, the graph of jobs of a run that has not begun, and of one that is finished.

    python benchmarks/scale.py [--shards 2000] [--only plan|graph|finished]

Writes that many files, all but the first empty. A run is finished honestly for three of them, with the demo's models (`make demo` fetches
them); the results of the last one, an empty shard's, and Snakemake's records of them, then stand under the names of all others. The next run
does what is done once for all shards, and for a shard nothing. What is timed then is a whole run that finds nothing to do.

Prints wall-clock seconds, processor seconds and the largest memory of a process; of a dry run also when the graph was there, after which the
jobs are only listed. Only the processor seconds say something on a machine that others use as well.
"""

import argparse
import base64
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

from kun.corpus.plan import plan_shards
from kun.settings.corpus import Source

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "data/demo"
LAST = "part-000002"
# Files in the order in which a run makes them
ORDER = (
    *("results/*.json", "results/models", "results/documents", "results/signals", "results/calibration/perplexity.json"),
    *("results/duplicates", "results/report/perplexity.*", "results/primary", "results/labelled", "results/scored"),
    *("results/calibration/score.json", "results/curated", "results/polished", "results/pairs", "results/dataset"),
    *("results/report/[is]*", "results/benchmarks"),
)
TEXT = "这家酒店的房间很干净，早餐品种也多，服务员很热情，下次来还会住在这里，就是停车不太方便。"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=2000)
    parser.add_argument("--only", choices=["plan", "graph", "finished"], default=None)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        project.write_shards(range(3))
        if arguments.only in (None, "finished"):
            project.snakemake("all", "--cores", "2")
        project.write_shards(range(3, arguments.shards))
        if arguments.only in (None, "plan"):
            project.time_plan()
        if arguments.only in (None, "graph"):
            for target in ("corpus", "all"):
                project.report(f"{target}, not begun", target, "--dry-run", results="nothing")
        if arguments.only in (None, "finished"):
            project.copy_results(range(3, arguments.shards))
            project.report("all, shards brought along", "all", "--cores", "2")
            project.report("all, finished, searched after the shards were done", "all", "--cores", "2")
            project.set_times()
            project.report("all, finished", "all", "--cores", "2")


class Project:
    """Raw files, settings and results in a folder of their own."""

    def __init__(self, folder: Path):
        self.folder, self.raw = folder, folder / "raw"
        self.raw.mkdir()
        settings = {
            "results": "results",
            "corpus": {"sources": [{"name": "many", "format": "jsonl", "path": str(self.raw)}], "pack_megabytes": 0},
            "perplexity": {
                "kenlm": {
                    "reference": [str(DEMO / "reference/reviews.jsonl")],
                    "order": 3,
                    "memory": "200M",
                    "cut": {"percentile": None, "maximum": 1e6},
                }
            },
            "models": dict.fromkeys(("label", "point", "answer"), str(DEMO / "models/MiniMind2-Small")),
            "engine": {"threads": 2, "device": "cpu", "dtype": "float32"},
            "score": {"labelled": [], "threshold": 0},
        }
        for part in ("config", "envs", "profiles", "rules", "workflow_scripts", "Snakefile"):
            (folder / part).symlink_to(ROOT / part)
        (folder / "many.yaml").write_text(json.dumps(settings), encoding="utf-8")

    def write_shards(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            line = json.dumps({"text": TEXT}, ensure_ascii=False) + "\n" if number == 0 else ""
            (self.raw / f"part-{number:06d}.jsonl").write_text(line, encoding="utf-8")

    def copy_results(self, numbers: Iterable[int]) -> None:
        """The last real shard's files under the names of others, and what Snakemake recorded of them (a file each, named after its file)."""
        records = self.folder / ".snakemake/metadata"
        found = [path for path in (self.folder / "results").rglob(f"{LAST}*") if path.is_file() and "duplicates" not in path.parts]
        for path in found:
            record = records / record_name(str(path.relative_to(self.folder)))
            recorded = record.read_text() if record.is_file() else None  # a log has none
            for number in numbers:
                shard = f"part-{number:06d}"
                copy = path.with_name(path.name.replace(LAST, shard))
                shutil.copy2(path, copy)
                if recorded:
                    (records / record_name(str(copy.relative_to(self.folder)))).write_text(recorded.replace(LAST, shard))

    def set_times(self) -> None:
        """As after a run that began with nothing: each stage's files are newer than those it was made of."""
        for when, pattern in enumerate(ORDER, int(time.time())):
            found = list(self.folder.glob(pattern))
            for path in [path for top in found for path in ([top] if top.is_file() else top.rglob("*"))]:
                os.utime(path, (when, when))

    def time_plan(self) -> None:
        start = time.perf_counter()
        shards = plan_shards([Source(name="many", format="jsonl", path=str(self.raw))], 256_000_000, 0)
        print(f"{len(shards):,} shards: the plan alone {time.perf_counter() - start:.2f} s", flush=True)

    def report(self, what: str, *arguments: str, results: str = "results") -> None:
        start = time.perf_counter()
        told, used, graph = self.snakemake(*arguments, "--config", f"results={results}")
        wall = time.perf_counter() - start
        end = "nothing to be done" if "Nothing to be done" in told else told.split("total")[-1].split()[0] + " jobs"
        processor, memory = used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
        there = f"graph there after {graph[0]:.1f} s, processor {graph[1]:.1f} s; " if graph else ""
        print(f"{what}: {there}{wall:.1f} s, processor {processor:.1f} s, {memory:.0f} MB; {end}", flush=True)

    def snakemake(self, *arguments: str) -> tuple[str, resource.struct_rusage, tuple[float, float] | None]:
        """What it said, what it used, and (wall-clock, processor) seconds until it counted the jobs, if there were any."""
        command = [Path(sys.executable).parent / "snakemake", *arguments, "--configfile", "many.yaml"]
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
        start, graph, said = time.perf_counter(), None, []
        with subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        ) as running:
            for line in running.stdout:
                said.append(line)
                if graph is None and line.startswith("Job stats"):
                    graph = time.perf_counter() - start, processor_seconds(running.pid)
            _, status, used = os.wait4(running.pid, 0)
            running.returncode = status
        if status:
            sys.exit("".join(said)[-6000:])
        return "".join(said), used, graph


def record_name(output: str) -> str:
    """Of Snakemake's record of an output (snakemake/persistence/file.py); longer names would be cut into folders."""
    return base64.urlsafe_b64encode(output.encode()).decode()


def processor_seconds(process: int) -> float:
    """Of a running process, from /proc (man 5 proc_pid_stat: fields 14 and 15)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
