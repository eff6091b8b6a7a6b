"""What training an n-gram model costs: time, memory and disk of `train_kenlm` on so many megabytes of text.

All texts of the folders are taken once. If they are too few, they are taken again with their sentences in another order and other digits,
until there are enough: the vocabulary then is real, but n-grams repeat more than they would in as much new text, so time and memory are
a little low for it. How much of the text is new is printed.
"""

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

import orjson
from corpus_text import texts_of

from build_kenlm import find

PROGRAM = Path(__file__).resolve().parent.parent / "workflow_scripts/train_kenlm.py"
EVERY = 0.1  # seconds between two looks at memory
KINDS = {
    "characters, probing": {},
    "characters, trie of 8 bits, [0, 0, 0, 1]": {"structure": "trie", "quantise": 8, "prune": [0, 0, 0, 1]},
    "sentencepiece 32000, probing": {"unit": "sentencepiece"},
}


def write_text(paths: list[Path], size: int, into: Path) -> float:
    """Lines of {text} until they hold `size` bytes; returns the share of them that is new."""
    texts, written, new = sorted(set(texts_of(paths))), 0, 0
    with into.open("wb") as stream:
        for number in range(1 << 30):
            text = texts[number % len(texts)] if number < len(texts) else altered(texts[number % len(texts)], number)
            stream.write(orjson.dumps({"text": text}) + b"\n")
            written += len(text.encode())
            new += len(text.encode()) if number < len(texts) else 0
            if written >= size:
                return new / written


def altered(text: str, seed: int) -> str:
    chance = random.Random(seed)
    sentences = re.findall(r"[^。！？，；\n]*[。！？，；\n]?", text)
    chance.shuffle(sentences)
    return re.sub(r"\d", lambda _: str(chance.randrange(10)), "".join(sentences))


def trained(settings: dict, folder: Path) -> dict[str, float]:
    """Seconds, the largest memory of program, lmplz and build_binary together, and of their files that are sorted on disk, in megabytes."""
    programs = folder / "programs.json"
    programs.write_text(json.dumps({name: find(name) for name in ("lmplz", "build_binary")}))
    command = [sys.executable, str(PROGRAM), "--settings", json.dumps(settings), "--plan", "none", "--results", "none"]
    command += ["--programs", str(programs), "--into", str(folder / "made"), "--description", str(folder / "model.json")]
    start, memory, disk = time.perf_counter(), 0.0, 0.0
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        family = list(family_of(process.pid))
        memory = max(memory, sum(map(resident, family)))
        disk = max(disk, sum(map(unnamed_files, family)))
        time.sleep(EVERY)
    seconds = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"train_kenlm failed; run it by hand: {' '.join(command)}")
    model = Path(json.loads((folder / "model.json").read_text())["path"])
    return {"seconds": seconds, "memory": memory, "disk": disk, "model": model.stat().st_size / 1e6}


def family_of(process: int) -> Iterator[int]:
    yield process
    try:
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from family_of(int(child))
    except OSError:  # it has just ended
        return


def resident(process: int) -> float:
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def unnamed_files(process: int) -> float:
    """Megabytes of the open files that have no name: lmplz takes the names of its sorted files away at once."""
    total = 0.0
    try:
        for link in Path(f"/proc/{process}/fd").iterdir():
            target = link.readlink()
            if str(target).endswith("(deleted)"):
                total += link.stat().st_blocks * 512 / 1e6
    except OSError:
        pass
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path, nargs="+", required=True, help="files or folders of documents, as for corpus_speed.py")
    parser.add_argument("--megabytes", type=int, default=100, help="of text, in UTF-8")
    parser.add_argument("--memory", default="1G", help="perplexity.kenlm.memory")
    parser.add_argument("--only", default="", help="of the three kinds those with this word: trie, probing, sentencepiece")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "text.jsonl"
        new = write_text(arguments.text, arguments.megabytes * 1_000_000, text)
        print(f"{arguments.megabytes} MB of text, {new:.0%} of it new; memory: {arguments.memory}", flush=True)
        common = {"reference": [str(text)], "memory": arguments.memory}
        for name, settings in KINDS.items():
            if arguments.only and arguments.only not in name:
                continue
            work = Path(folder) / name.partition(",")[0]
            work.mkdir(exist_ok=True)
            cost = trained(common | settings, work)
            print(
                "{}: {seconds:.0f} s, {memory:.0f} MB of memory, {disk:.0f} MB sorted on disk, model {model:.0f} MB".format(
                    name, **cost
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
