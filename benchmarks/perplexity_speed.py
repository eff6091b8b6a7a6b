"""Speed of scoring beside KenLM's `model.score` on strings that are ready, and what two processes share of a model's memory.

One CPU. Three things are timed in turn, five rounds, and medians printed: `score` alone on ready strings; our values of the same lines; and
our values of texts whose compatible codes are at hand, as `measure` has them (a model of pieces does not use them).
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

import orjson

from kun.signals.forms import compatible
from kun.signals.kenlm_perplexity import NgramPerplexity, load, perplexity

ROUNDS, TOGETHER = 5, 1000  # texts whose codes are made together


def texts_of_lines(path: Path, count: int) -> list[str]:
    with path.open("rb") as stream:
        return [orjson.loads(line)["text"] for line, _ in zip(stream, range(count), strict=False)]


def speed(ngrams: NgramPerplexity, texts: list[str]) -> None:
    lines = list(ngrams.words(texts, None))
    ready = [line.words for several in lines for line in several]
    words = sum(line.count for several in lines for line in several)
    batches = [
        (batch, compatible(batch)) for batch in (texts[start : start + TOGETHER] for start in range(0, len(texts), TOGETHER))
    ]
    contenders: dict[str, Callable[[], object]] = {
        "model.score on ready strings": lambda: [ngrams.model.score(line) for line in ready],
        "our values of the same lines": lambda: [perplexity(ngrams.model, several) for several in lines],
        "our values of the texts": lambda: [ngrams.of(batch, form) for batch, form in batches],
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, work in contenders.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    base = statistics.median(seconds["model.score on ready strings"])
    print(f"{len(texts)} texts, {words} words, {ngrams.identity}")
    for name, taken in seconds.items():
        middle = statistics.median(taken)
        print(
            f"{name}: {middle:.3f} s ({min(taken):.3f}–{max(taken):.3f}), {words / middle / 1e6:.2f} million words/s, {middle / base:.2f} of score"
        )


def of_model(process: int, model: str) -> tuple[float, float]:
    """(resident, proportional) megabytes of a process's mapping of the model: a page that n processes share counts 1/n in the second."""
    entries = re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", Path(f"/proc/{process}/smaps").read_text())
    found = [entry for entry in entries if entry.split("\n", 1)[0].endswith(model)]
    return tuple(
        sum(int(n) for entry in found for n in re.findall(rf"^{name}: +(\d+) kB", entry, re.MULTILINE)) / 1e3
        for name in ("Rss", "Pss")
    )


def sharing(description: Path, text: Path, count: int) -> None:
    """One process that has measured the texts, then two."""
    model = str(Path(json.loads(description.read_text())["path"]).resolve())
    command = [sys.executable, __file__, "--description", str(description), "--text", str(text), "--count", str(count), "--hold"]
    processes = []
    for number in (1, 2):
        processes.append(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        processes[-1].stdout.readline()  # it has measured
        sizes = [of_model(process.pid, model) for process in processes]
        resident, proportional = (sum(values) for values in zip(*sizes, strict=True))
        print(f"{number} measuring: the model's pages {resident:.0f} MB by process, {proportional:.0f} MB in memory")
    for process in processes:
        process.communicate("\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--description", type=Path, required=True, help="JSON of train_kenlm")
    parser.add_argument("--text", type=Path, required=True, help="a file of {text} lines")
    parser.add_argument("--count", type=int, default=15_000, help="texts")
    parser.add_argument("--hold", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    texts = texts_of_lines(arguments.text, arguments.count)
    if not arguments.hold:
        sharing(arguments.description, arguments.text, arguments.count)  # while this process does not hold the model itself
    ngrams = load(json.loads(arguments.description.read_text(encoding="utf-8")))
    if arguments.hold:
        ngrams.of(texts)
        print("measured", flush=True)
        sys.stdin.readline()
        return
    os.sched_setaffinity(0, [max(os.sched_getaffinity(0))])
    speed(ngrams, texts)


if __name__ == "__main__":
    main()
