"""What the store of completions costs: opening and reading long journals, their memory, a run with nothing to ask, looking into neighbours.

    python benchmarks/store_speed.py [--answers 100000] [--memory 10000 100000 1000000]

Writes journals of invented answers (some 600 bytes of Chinese text each; a gigabyte for a million) into a temporary folder. Whatever
opens a store does so in a process of its own, so that its peak of memory is its own. No model and no torch. Prints a table, then JSON.
"""

import argparse
import json
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

from kun.books.digests import digest
from kun.books.tables import TableWriter
from kun.completions.ask import WINDOW
from kun.completions.journal import lines_for, new_segment
from kun.completions.requests import Completion, Generate
from kun.completions.store import ANSWERS, Store
from kun.roles.columns import PRIMARY
from kun.roles.prompt import read_prompt, request_with
from kun.settings.completions import Decoding

ROOT = Path(__file__).resolve().parent.parent
CHARACTERS = 200  # of an answer; three bytes each
PROMPT = ROOT / "config/prompts/label.jinja"
MODEL = "m" * 32  # a fingerprint


# ------------------------------------------------------------------------------------------------------------------- journals


def key_of(number: int) -> str:
    return digest(str(number))


def keys_by_window(answers: int) -> Iterator[list[str]]:
    """All keys in the order of records, as many at once as `ask` looks up."""
    yield from batches(map(key_of, range(answers)), WINDOW)


def batches(keys: Iterable[str], size: int) -> Iterator[list[str]]:
    keys = iter(keys)
    while batch := list(islice(keys, size)):
        yield batch


def write_journal(folder: Path, keys: Iterable[str], each: int) -> int:
    """A segment with an answer to each key, `each` in a line. Returns its bytes."""
    draw = random.Random(1)
    letters = [chr(code) for code in range(0x4E00, 0x5E00)]
    folder.mkdir(parents=True)
    path = new_segment(folder)
    with path.open("wb") as stream:
        for together in batches(keys, each):
            answers = {
                key: Completion("".join(draw.choices(letters, k=CHARACTERS)), "stop", 400, CHARACTERS, (), None) for key in together
            }
            stream.write(lines_for(answers, {"settings": "s", "name": "transformers", "torch": "2.13.0"}))
    return path.stat().st_size


# ----------------------------------------------------------------------------------------- what a process of its own measures


def open_and_read(folder: Path, answers: int) -> dict[str, float]:
    before = peak_megabytes()
    start = time.perf_counter()
    store = Store(folder, {"settings": "s"})
    opened, peak_open = time.perf_counter() - start, peak_megabytes()
    assert len(store) == answers, f"{len(store)} of {answers} answers"
    read, taken = 0, 0.0
    for keys in keys_by_window(answers):
        start = time.perf_counter()
        read += len(store.read(keys))
        taken += time.perf_counter() - start
    assert read == answers, f"{read} of {answers} answers"
    return {"open": opened, "read": taken, "before": before, "peak_open": peak_open, "peak": peak_megabytes()}


def look_beside(folder: Path, answers: int) -> dict[str, float]:
    """A window of keys that no journal has, and one that a neighbour has, in a store without a journal."""
    store = Store(folder / "mine", {"settings": "s"})
    seconds = []
    for keys in (
        [digest(f"nowhere {number}") for number in range(WINDOW)],
        [key_of(number) for number in range(answers - WINDOW, answers)],
    ):
        start = time.perf_counter()
        found = store.read(keys)
        seconds.append(time.perf_counter() - start)
    assert len(found) == WINDOW, f"{len(found)} of {WINDOW} answers"
    return {"nothing": seconds[0], "all": seconds[1], "peak": peak_megabytes()}


def peak_megabytes() -> float:
    """Of this process alone: what getrusage tells is at least what the process had that started it."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


ALONE = {"open": open_and_read, "beside": look_beside}


def alone(what: str, folder: Path, answers: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--alone", what, str(folder), str(answers)]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


# ------------------------------------------------------------------------------------------------------------- a run of label


def prepared_run(folder: Path, records: int) -> list[str]:
    """The command of a label job that has all its answers."""
    draw = random.Random(2)
    texts = ["".join(chr(draw.randrange(0x4E00, 0x5E00)) for _ in range(400)) for _ in range(records)]
    (folder / "model.json").write_text(json.dumps({"path": str(folder / "no model is here"), "fingerprint": MODEL}))
    writer = TableWriter(folder / "primary.parquet", PRIMARY)
    empty = dict.fromkeys(PRIMARY.names) | {"title": "", "category": "", "locator": ""}
    for text in texts:
        writer.add(empty | {"id": digest(text), "text": text})
    writer.close()
    prompt, decoding = read_prompt(PROMPT, "text"), Generate(**Decoding().drawn())
    write_journal(folder / "store", (request_with(prompt, decoding, text=text).key(MODEL) for text in texts), ANSWERS)
    options = {
        "records": folder / "primary.parquet",
        "model": folder / "model.json",
        "engine": "{}",
        "name": "label",
        "settings": "{}",
    }
    options |= {"prompt": PROMPT, "store": folder / "store", "output": folder / "labelled.parquet"}
    return [
        str(ROOT / "workflow_scripts/label.py"),
        *(str(part) for name, value in options.items() for part in (f"--{name}", value)),
    ]


def label_with_nothing_missing(folder: Path, records: int, repeat: int) -> float:
    """Seconds of the whole program, the median. Raises if it imports torch."""
    command = prepared_run(folder, records)
    watched = subprocess.run([sys.executable, "-X", "importtime", *command], check=True, capture_output=True, text=True)
    imported = {line.rpartition("|")[2].strip() for line in watched.stderr.splitlines() if line.startswith("import time:")}
    assert "numpy" in imported and "torch" not in imported, "label imported torch"
    ledger = json.loads((folder / "labelled.ledger.json").read_text())
    assert (ledger["in"], ledger["kept"]) == (records, records), ledger
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, stderr=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


# ----------------------------------------------------------------------------------------------------------------------- main


def measured(arguments: argparse.Namespace, folder: Path) -> list[tuple[str, str, str]]:
    """(what, measured, goal)."""
    rows = []
    for each in (ANSWERS, 1):
        place = folder / f"of {each}"
        size = write_journal(place, map(key_of, range(arguments.answers)), each)
        runs = [alone("open", place, arguments.answers) for _ in range(arguments.repeat)]
        what = f"{arguments.answers:,} answers, {size / 1e6:.0f} MB, {each} a line"
        rows.append((f"open: {what}", f"{statistics.median(run['open'] for run in runs):.2f} s", "2 s"))
        rows.append((f"read all, {WINDOW:,} at once: {what}", f"{statistics.median(run['read'] for run in runs):.2f} s", ""))
    for answers in arguments.memory:
        place = folder / f"memory {answers}"
        write_journal(place, map(key_of, range(answers)), ANSWERS)
        run = alone("open", place, answers)
        parts = f"{run['before']:.0f} MB before, {run['peak_open']:.0f} MB open, {run['peak']:.0f} MB read"
        rows.append((f"peak of memory, {answers:,} answers (open {run['open']:.2f} s)", parts, "nearly flat"))
    (folder / "run").mkdir()
    seconds = label_with_nothing_missing(folder / "run", arguments.records, arguments.repeat)
    rows.append((f"label, {arguments.records:,} records, nothing missing, whole program", f"{seconds:.2f} s", "3 s"))
    beside = folder / "beside"
    each = max(WINDOW // arguments.journals + 1, 1000)
    for number in range(arguments.journals):
        write_journal(beside / str(number), map(key_of, range(number * each, (number + 1) * each)), ANSWERS)
    first = alone("beside", beside, arguments.journals * each)
    shutil.rmtree(beside / "mine")  # what it copied
    then = alone("beside", beside, arguments.journals * each)
    what = f"{arguments.journals} journals beside it, {each:,} answers each, a window of {WINDOW:,}"
    rows.append((f"{what}: nothing found, no index yet", f"{first['nothing']:.2f} s", ""))
    rows.append((f"{what}: nothing found", f"{then['nothing']:.2f} s", ""))
    rows.append((f"{what}: all found and copied", f"{then['all']:.2f} s", ""))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--answers", type=int, default=100_000, help="in the journals that are timed")
    parser.add_argument(
        "--memory", type=int, nargs="*", default=[10_000, 100_000, 1_000_000], help="answers of the journals weighed"
    )
    parser.add_argument("--records", type=int, default=2_000, help="of the run with nothing missing")
    parser.add_argument("--journals", type=int, default=200, help="beside the one that asks")
    parser.add_argument("--repeat", type=int, default=3, help="processes that are timed; medians are told")
    parser.add_argument("--alone", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.alone:
        what, folder, answers = arguments.alone
        print(json.dumps(ALONE[what](Path(folder), int(answers))))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = measured(arguments, Path(folder))
    print("| what | measured | goal |\n| --- | --- | --- |")
    print("\n".join(f"| {what} | {figure} | {goal} |" for what, figure, goal in rows))
    print(json.dumps([dict(zip(("what", "measured", "goal"), row, strict=True)) for row in rows], ensure_ascii=False))


if __name__ == "__main__":
    main()
