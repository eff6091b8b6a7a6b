"""How far a run is, from its files alone: ledgers of finished shards, journals and logs of those at work. Imports little, locks nothing, writes
nothing. A file that is half written, or gone between two looks, counts as not there.
"""

import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Stages in the order of a shard's way, with the rule whose log says how it goes and the folder of its journal, where it asks a model.
STAGES = {
    "documents": ("ingest", None),
    "signals": ("measure", None),
    "causal": ("measure_causal", "causal"),
    "primary": ("select_primary", None),
    "labelled": ("label", "label"),
    "scored": ("score", "score"),
    "curated": ("select_instructions", None),
    "polished": ("polish", "polish"),
    "pairs": ("check_answers", None),
}
ALONE = (
    "train_kenlm",
    "train_label_model",
    "train_chat_model",
    "find_duplicates",
    "assemble",
    "export",
    "report",
)  # jobs of no shard
AT_WORK = 180  # seconds without a word after which a job is no longer taken to be at work
TAIL = 4_000_000  # bytes of a journal that are read: what stands before is reckoned from them
KEY = 32  # digits


@dataclass
class Doing:
    """A shard that a stage has begun and not finished."""

    shard: str
    quiet: float  # seconds since it last wrote anything
    says: str  # the last line of its log
    answers: float = 0.0  # by its journal, of all processes that worked on it
    rate: float = 0.0  # answers a second of the process that is at work
    tokens_rate: float = 0.0

    def at_work(self) -> bool:
        return self.quiet <= AT_WORK


@dataclass
class Standing:
    """A stage over all shards of the plan."""

    stage: str
    shards: int
    done: int = 0
    came_in: int = 0  # of finished shards
    kept: int = 0
    coming: float | None = None  # records of the shards that are not finished, as far as the stage before knows them
    certain: bool = True  # whether `coming` is counted, or reckoned from the shards that are known
    dropped: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    doing: list[Doing] = field(default_factory=list)
    finished: list[tuple[float, int]] = field(default_factory=list)  # (when, records) of each finished shard

    def rate(self) -> float:
        """Records a second, at present: of the jobs at work by their journals, else by when shards were finished."""
        by_journal = sum(job.rate for job in self.doing if job.at_work())
        if by_journal:
            return by_journal
        times = sorted(self.finished)
        if not any(job.at_work() for job in self.doing) or len(times) < 2 or times[-1][0] <= times[0][0]:
            return 0.0
        return sum(records for _, records in times[1:]) / (times[-1][0] - times[0][0])

    def tokens_rate(self) -> float:
        return sum(job.tokens_rate for job in self.doing if job.at_work())

    def left(self) -> float | None:
        """Seconds, or None where they cannot be told."""
        rate = self.rate()
        if self.coming is None or not rate:
            return None
        return max(0.0, self.coming - sum(job.answers for job in self.doing)) / rate


@dataclass
class Run:
    stages: list[Standing]
    alone: list[tuple[str, float, str]]  # jobs of no shard that are not finished: rule, seconds quiet, last line of the log
    pairs: int | None  # of the finished dataset
    quiet: float | None  # seconds since anything was written


def standing(results: Path, now: float | None = None) -> Run | None:
    """None where no run has begun."""
    now = time.time() if now is None else now
    plan = _json(results / "plan.json")
    if not isinstance(plan, list):
        return None
    shards = [
        f"{entry['source']}/{entry['name']}" for entry in plan if isinstance(entry, dict) and {"source", "name"} <= entry.keys()
    ]
    stages: list[Standing] = []
    before: dict[str, int] = {}
    newest: list[float] = []
    for stage, (rule, journal) in STAGES.items():
        ledgers = _ledgers(results / stage, shards)
        if stage == "causal" and not ledgers and not (results / "logs" / rule).is_dir():
            continue
        found = Standing(stage, len(shards))
        for ledger, when in ledgers.values():
            found.done += 1
            found.came_in += ledger["in"]
            found.kept += ledger["kept"]
            found.dropped.update(ledger["dropped"])
            found.failed.update(ledger["failed"])
            found.finished.append((when, ledger["in"]))
            newest.append(when)
        missing = [shard for shard in shards if shard not in ledgers]
        _expect(found, stage, missing, before)
        found.doing = list(_doing(results, rule, journal, set(missing), now))
        newest += [now - job.quiet for job in found.doing]
        stages.append(found)
        if stage not in ("signals", "causal"):  # both keep every document
            before = {shard: ledger["kept"] for shard, (ledger, _) in ledgers.items()}
    alone = list(_alone(results, now))
    newest += [now - quiet for _, quiet, _ in alone]
    dataset = _json(results / "dataset/pairs.ledger.json")
    pairs = dataset["kept"] if _is_ledger(dataset) and (results / "dataset/README.md").is_file() else None
    return Run(stages, alone, pairs, now - max(newest) if newest else None)


def _expect(found: Standing, stage: str, missing: list[str], before: dict[str, int]) -> None:
    """How many records are still to come: counted where the stage before has finished those shards, else as many a shard as in the others."""
    if stage == "documents":  # how many records a raw file holds is not known before it is read
        found.coming, found.certain = (0.0, True) if not missing else (None, False)
        if found.done and missing:
            found.coming = found.came_in / found.done * len(missing)
        return
    known = [before[shard] for shard in missing if shard in before]
    found.certain = len(known) == len(missing)
    if before or not missing:
        found.coming = sum(known) + (len(missing) - len(known)) * (sum(before.values()) / len(before) if before else 0.0)


def _ledgers(folder: Path, shards: list[str]) -> dict[str, tuple[dict[str, Any], float]]:
    """The ledgers of the shards that are there, with when they were written. Folders are listed first: that is one request to a shared
    file system where asking for each file would be thousands."""
    there: dict[str, float] = {}
    for source in dict.fromkeys(shard.partition("/")[0] for shard in shards):
        there |= {f"{source}/{name.removesuffix('.ledger.json')}": when for name, when in _listed(folder / source, ".ledger.json")}
    found = {}
    for shard in shards:
        if shard in there and _is_ledger(ledger := _json(folder / f"{shard}.ledger.json")):
            found[shard] = (ledger, there[shard])
    return found


def _is_ledger(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("in"), int) or not isinstance(value.get("kept"), int):
        return False
    return isinstance(value.get("dropped"), dict) and isinstance(value.get("failed"), dict)


def _listed(folder: Path, ending: str) -> Iterator[tuple[str, float]]:
    """(name, when it was written) of a folder's files with an ending; none for no folder."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(ending):
                    try:
                        yield entry.name, entry.stat().st_mtime
                    except OSError:
                        continue
    except OSError:
        return


def _json(path: Path) -> Any:
    """None for what is not there or not whole."""
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None


def _doing(results: Path, rule: str, journal: str | None, missing: set[str], now: float) -> Iterator[Doing]:
    """The shards that a rule has begun: those with a log and without a ledger."""
    for source in sorted({shard.partition("/")[0] for shard in missing}):
        for name, when in sorted(_listed(results / "logs" / rule / source, ".log")):
            shard = f"{source}/{name.removesuffix('.log')}"
            if shard not in missing:
                continue
            job = Doing(shard, now - when, _last_line(results / "logs" / rule / source / name))
            if journal:
                _read_journal(job, results / "completions" / journal / shard, now)
            yield job


def _alone(results: Path, now: float) -> Iterator[tuple[str, float, str]]:
    made = {
        "train_kenlm": "models/kenlm/model.json",
        "train_label_model": "models/label/model.json",
        "train_chat_model": "models/chat/model.json",
        "find_duplicates": "duplicates/summary.json",
        "assemble": "dataset/pairs.ledger.json",
        "export": "dataset/README.md",
        "report": "report/index.html",
    }
    for rule in ALONE:
        log = results / f"logs/{rule}.log"
        try:
            when = log.stat().st_mtime
        except OSError:
            continue
        if not (results / made[rule]).exists():
            yield rule, now - when, _last_line(log)


def _last_line(log: Path) -> str:
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - 4096))
            lines = [line.strip() for line in stream.read().decode("utf-8", "replace").splitlines() if line.strip()]
    except OSError:
        return ""
    return _harmless(lines[-1]) if lines else ""


def _harmless(text: str) -> str:
    """Logs may quote records: nothing of it may command a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)[:200]


def _read_journal(job: Doing, folder: Path, now: float) -> None:
    """Answers so far, and the rate of the newest segment: from when its name says that it was begun until it last grew."""
    segments = sorted(_listed(folder, ".jsonl"))
    for place, (name, when) in enumerate(segments):
        answers, tokens = _counted(folder / name)
        job.answers += answers
        if place < len(segments) - 1:
            continue
        job.quiet = min(job.quiet, now - when)
        lasted = when - (_begun(name) or when)
        if lasted > 0:
            job.rate, job.tokens_rate = answers / lasted, tokens / lasted


def _begun(name: str) -> float | None:
    """Seconds since 1970 from a segment's name (20260128T011500.123456789-host-….jsonl)."""
    try:
        from calendar import timegm

        return timegm(time.strptime(name[:15], "%Y%m%dT%H%M%S")) + float(f"0{name[15:25]}")
    except ValueError:
        return None


def _counted(segment: Path) -> tuple[float, float]:
    """(answers, tokens) in a segment, of its last bytes where it is large. A torn end counts nothing."""
    try:
        with segment.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - TAIL))
            lines = stream.read().split(b"\n")
    except OSError:
        return 0.0, 0.0
    answers = tokens = read = 0
    for line in lines[1 if size > TAIL else 0 : -1]:
        try:
            entry = json.loads(line)
            answers += len(entry.get("keys", "")) // KEY
            tokens += sum(answer.get("prompt_tokens", 0) + answer.get("output_tokens", 0) for answer in entry["answers"])
        except (ValueError, AttributeError, KeyError, TypeError):
            continue
        read += len(line) + 1
    whole = size / read if size > TAIL and read else 1.0
    return answers * whole, tokens * whole
