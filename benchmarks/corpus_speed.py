"""Speed of the corpus steps, side by side: Kun, data-juicer and datatrove on one core, on the same text with the same KenLM model.

    python benchmarks/corpus_speed.py --text FOLDER_OR_FILE ... --peers /path/to/peers/bin/python

benchmarks/README.md says how to make the peers' environment and what the figures mean.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from corpus_text import write_sample
from speed_models import train_kenlm, train_sentencepiece

HERE = Path(__file__).resolve().parent
DEMO = HERE.parent / "data/demo"
ONE_THREAD = {
    name: "1"
    for name in (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "POLARS_MAX_THREADS",
        "ARROW_NUM_THREADS",
    )
} | {"TOKENIZERS_PARALLELISM": "false"}
# Nothing may be downloaded: a proxy that is not there makes sure.
OFFLINE = {"HF_HUB_OFFLINE": "1", "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "no_proxy": ""}


@dataclass
class Contender:
    """A program to measure: what the table calls it, the command that runs it, its arguments, and what its runs gave."""

    name: str
    command: list[str]
    arguments: dict
    runs: list[dict] = field(default_factory=list)

    @property
    def seconds(self) -> list[float]:
        return [run["seconds"] for run in self.runs]


def started(contender: Contender, cpu: int, folder: Path) -> subprocess.Popen:
    """The program, ready to work, on one CPU."""
    folder.mkdir(parents=True)
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [*contender.command, json.dumps(contender.arguments | {"into": str(folder)})],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env=os.environ | ONE_THREAD | OFFLINE,
        preexec_fn=lambda: os.sched_setaffinity(0, {cpu}),
    )
    if process.stdout.readline() != "ready\n":
        process.wait()
        sys.exit(f"{contender.name} did not start:\n{(folder / 'log').read_text()[-3000:]}")
    return process


def finished(contender: Contender, process: subprocess.Popen, folder: Path) -> dict:
    line = process.stdout.readline()
    if process.wait() or not line:
        sys.exit(f"{contender.name} failed:\n{(folder / 'log').read_text()[-3000:]}")
    return json.loads(line)


def run_at_once(contenders: list[Contender], cpus: list[int], work: Path) -> list[dict]:
    """What each gave, all started at the same moment, each on its own CPU."""
    with tempfile.TemporaryDirectory(dir=work) as name:
        folders = [Path(name) / str(number) for number in range(len(contenders))]
        began = time.perf_counter()
        processes = [started(*each) for each in zip(contenders, cpus, folders, strict=False)]
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [finished(*each) for each in zip(contenders, processes, folders, strict=True)]
        return [answer | {"whole": time.perf_counter() - began} for answer in answers]


# ----------------------------------------------------------------------------------------------------------------- what is told


def table(contenders: list[Contender], documents: int, size: int) -> str:
    """Documents and megabytes a second: the median, and from the slowest to the fastest run; time as a multiple of the first's.

    A program that did not have the CPU nearly all the time shared it, and its figures say less. A whole process includes its start,
    imports, models, and telling of the perplexities.
    """
    first = statistics.median(contenders[0].seconds)
    rows = [
        f"{'':34}{'documents/s':>12} {'(slowest–fastest)':>20} {'MB/s':>8} {'time':>7} {'had the CPU':>12} {'whole process':>14}"
    ]
    for contender in contenders:
        median, slowest, fastest = statistics.median(contender.seconds), max(contender.seconds), min(contender.seconds)
        whole = statistics.median(run["whole"] for run in contender.runs)
        busy = statistics.median(run["processor_seconds"] / run["seconds"] for run in contender.runs)
        spread = f"({documents / slowest:,.0f}–{documents / fastest:,.0f})"
        rate = f"{documents / median:>12,.0f} {spread:>20} {size / 1e6 / median:>8.2f}"
        rows.append(f"{contender.name:34}{rate} {median / first:>6.2f}× {busy:>12.0%} {whole:>12.1f} s")
    return "\n".join(rows)


def breakdown(run: dict) -> str:
    """Kun's seconds by step, of a run that was watched."""
    steps = dict(sorted(run["notes"]["steps"].items(), key=lambda step: -step[1]))
    steps["all else"] = run["seconds"] - sum(steps.values())
    return "\n".join(f"    {name:30}{seconds:>8.2f} s {seconds / run['seconds']:>6.0%}" for name, seconds in steps.items())


def agreement(contenders: list[Contender]) -> str:
    """How far the perplexities are the first one's: they differ where texts were cleaned or normalised otherwise."""
    import numpy as np

    found = {each.name: np.array(each.runs[0]["perplexities"], dtype=float) for each in contenders}
    first = found[contenders[0].name]
    return "\n".join(
        f"    {name:34}median {np.nanmedian(values):.1f}, {np.mean(np.abs(values / first - 1) < 0.05):.0%} within 5 % of the first's"
        for name, values in found.items()
    )


def processor() -> str:
    names = [
        line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    return (
        f"{names[0] if names else platform.processor()}, {len(os.sched_getaffinity(0))} CPUs, load {os.getloadavg()[0]:.1f} before"
    )


def versions(python: str, names: list[str]) -> str:
    code = "import importlib.metadata as m, sys; print(sys.version.split()[0], *(f'{n} {m.version(n)}' for n in sys.argv[1:]), sep=', ')"
    return subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=True).stdout.strip()


# ------------------------------------------------------------------------------------------------------------------------- main


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, nargs="+", default=[DEMO / "raw"], help="files of {text} lines, or folders of corpora")
    parser.add_argument("--documents", type=int, default=15_000, help="how many texts of these")
    parser.add_argument("--at-least", type=int, default=0, metavar="BYTES", help="shorter texts are left out")
    parser.add_argument("--peers", help="a Python that has the peers (README.md); without it Kun alone is measured")
    parser.add_argument("--tokenizer", type=Path, default=DEMO / "models/MiniMind2-Small", help="folder of a tokenizer, for Kun")
    parser.add_argument("--order", type=int, default=5, help="n of the character n-grams")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each, in turns")
    parser.add_argument("--only", choices=["kun", "peers"], help="leave the others out")
    parser.add_argument(
        "--work", type=Path, help="folder for text, models and outputs (some 0.5 GB); made anew where it is not given"
    )
    parser.add_argument("--json", type=Path, help="file for all the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = (arguments.work or Path(folder)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        compare(arguments, work)


def compare(arguments: argparse.Namespace, work: Path) -> None:
    text = work / "text.jsonl"
    documents, size = write_sample(arguments.text, arguments.documents, arguments.at_least, text)
    if not documents:
        sys.exit("there is no text in " + ", ".join(map(str, arguments.text)))
    print(f"{documents:,} documents, {size / 1e6:.1f} MB, {size / documents:,.0f} bytes each on average", flush=True)
    print(processor(), flush=True)
    kenlm = train_kenlm(text, arguments.order, work)
    print(
        f"KenLM: {arguments.order}-gram over characters, probing, {kenlm.stat().st_size / 1e6:.0f} MB, trained on this text",
        flush=True,
    )

    shared = {"text": str(text), "kenlm": str(kenlm), "tokenizer": str(arguments.tokenizer.resolve())}
    kun = [sys.executable, str(HERE / "run_kun.py")]
    contenders, bare = [], Contender("Kun without perplexity", kun, shared | {"kenlm": None})
    if arguments.only != "peers":
        contenders.append(Contender("Kun: ingest and all signals", kun, shared))
        print(f"Kun: Python {versions(sys.executable, ['kenlm', 'pyarrow', 'numpy', 'tokenizers'])}", flush=True)
    if arguments.peers and arguments.only != "kun":
        shared |= {"sentencepiece": str(train_sentencepiece(text, arguments.peers, work))}
        peers = [arguments.peers]
        contenders += [
            Contender("data-juicer: perplexity filter", [*peers, str(HERE / "peers/run_data_juicer.py")], shared),
            Contender("datatrove: reader and perplexity", [*peers, str(HERE / "peers/run_datatrove.py")], shared),
        ]
        print(
            f"peers: Python {versions(arguments.peers, ['py-data-juicer', 'datatrove', 'kenlm', 'sentencepiece', 'datasets'])}",
            flush=True,
        )

    cpus = sorted(os.sched_getaffinity(0), reverse=True)
    for _ in range(arguments.repeat):
        for contender in contenders + [bare] * (arguments.only != "peers"):
            contender.runs += run_at_once([contender], cpus, work)
    print("\n" + table(contenders + [bare] * (arguments.only != "peers"), documents, size))
    print("\nperplexities\n" + agreement(contenders))
    if arguments.only != "peers":
        [watched] = run_at_once([Contender("watched", kun, shared | {"steps": True})], cpus, work)
        print("\nwhere Kun's time goes\n" + breakdown(watched))
    if arguments.only != "peers" and len(cpus) > 1:
        both = [max(run["seconds"] for run in run_at_once([contenders[0]] * 2, cpus, work)) for _ in range(arguments.repeat)]
        factor = 2 * statistics.median(contenders[0].seconds) / statistics.median(both)
        print(f"\ntwo processes on two CPUs do {factor:.2f} times the work of one on one")
    if arguments.json:
        figures = {each.name: each.seconds for each in [*contenders, bare]} | {"documents": documents, "bytes": size}
        arguments.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
