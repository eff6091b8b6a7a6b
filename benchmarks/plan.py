"""How long Snakemake takes to plan: many small shards, nothing computed.

    python benchmarks/plan.py [--shards 2000] [--target corpus]

Writes that many files of one line each, then times the shard plan alone, the graph of jobs (`--rulegraph` builds it and prints little) and
whole dry runs of the target, which also print a line or two a job.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

from kun.corpus.plan import plan_shards
from kun.settings.corpus import Source

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, default=2000)
    parser.add_argument("--target", default="corpus", help="corpus, or all")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        raw.mkdir()
        for number in range(arguments.shards):
            (raw / f"part-{number:06d}.jsonl").write_text('{"text": "今天天气很好，我们去公园散步。"}\n', encoding="utf-8")
        seconds = [timed_plan(raw, arguments.shards) for _ in range(arguments.repeat)]
        print(f"{arguments.shards:,} shards: the plan alone {statistics.median(seconds):.2f} s")
        for what in ("--rulegraph", "--dry-run"):
            seconds = [snakemake(Path(folder), raw, arguments.target, what) for _ in range(arguments.repeat)]
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
            print(f"snakemake {arguments.target} {what}: {statistics.median(seconds):.1f} s, {peak:.0f} MB at most so far")


def timed_plan(raw: Path, count: int) -> float:
    start = time.perf_counter()
    shards = plan_shards([Source(name="many", format="jsonl", path=str(raw))], 256_000_000, 0)
    assert len(shards) == count
    return time.perf_counter() - start


def snakemake(folder: Path, raw: Path, target: str, what: str) -> float:
    settings = {
        "results": str(folder / "results"),
        "corpus": {"sources": [{"name": "many", "format": "jsonl", "path": str(raw)}], "pack_megabytes": 0},
        "models": {"base": str(raw)},
    }
    (folder / "many.yaml").write_text(json.dumps(settings), encoding="utf-8")
    start = time.perf_counter()
    subprocess.run(
        [
            Path(sys.executable).parent / "snakemake",
            target,
            what,
            "--quiet",
            "all",
            "--configfile",
            str(folder / "many.yaml"),
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
