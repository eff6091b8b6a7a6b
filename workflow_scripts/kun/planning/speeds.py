"""How fast models of a size read, write and learn on a device: a table that comes along, and what this folder's own jobs measured.

Rates are of one device: a job on several is taken to be as many times as fast. A row for another size is scaled by size, because the work
for a token is proportional to it; the further a row is from what is asked, the wider the interval.
"""

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kun.planning.estimates import Estimate, within
from kun.planning.known import described, seconds_of_job

MEASURED, NEAR, SCALED, OTHER = 1.25, 1.5, 2.5, 5.0  # by how much a rate may be out


class BadSpeeds(Exception):
    """The table of speeds is not what it should be; the message says where."""


@dataclass(frozen=True)
class Speed:
    """Tokens a second. `stage`: what it was measured on; "" for any. `read`, `written` of completions, `learned` of training."""

    engine: str
    device: str
    billions: float
    source: str
    read: float = 0.0
    written: float = 0.0
    learned: float = 0.0
    startup: float = 0.0  # seconds before the first request
    stage: str = ""

    def seconds(self, prompt_tokens: float, output_tokens: float) -> float:
        return prompt_tokens / self.read + output_tokens / self.written


@dataclass(frozen=True)
class Chosen:
    """A speed for what is planned, by what factor it may be out, and where it is from."""

    speed: Speed
    doubt: float
    words: str

    def seconds(self, prompt_tokens: Estimate, output_tokens: Estimate) -> Estimate:
        """Without start-up."""
        tokens = [self.speed.seconds(*pair) for pair in zip(parts(prompt_tokens), parts(output_tokens), strict=True)]
        return Estimate(*tokens).times(within(1.0, self.doubt))


def parts(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.low, estimate.likely, estimate.high


def read_table(path: Path) -> dict[str, Any]:
    """{speeds: [Speed], corpus: {…}, assumed: {…}}. Raises BadSpeeds, naming the file and the row."""
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise BadSpeeds(f"{path} cannot be read: {error}") from None
    if not isinstance(table, dict) or not isinstance(table.get("speeds"), list):
        raise BadSpeeds(f"{path}: expected a mapping with a list `speeds`; config/speeds.yaml is one")
    speeds = []
    for number, row in enumerate(table["speeds"]):
        try:
            speed = Speed(**row)
            if not (speed.billions > 0 and (speed.learned > 0 or (speed.read > 0 and speed.written > 0))):
                raise ValueError("`billions` and either `learned` or `read` and `written` are numbers above 0")
        except (TypeError, ValueError) as error:
            raise BadSpeeds(f"{path}: speeds[{number}]: {error}") from None
        speeds.append(speed)
    return table | {"speeds": speeds}


def choose(speeds: Iterable[Speed], stage: str, engine: str, device: str, billions: float) -> Chosen:
    """The row nearest to what is asked: measured on this stage, else of this device and engine, else of the nearest size. `stage` is label,
    score, polish, causal or train. Raises BadSpeeds for a table without any row of the kind."""
    kind = [speed for speed in speeds if bool(speed.learned) == (stage == "train") and speed.stage in ("", stage)]
    if not kind:
        raise BadSpeeds(f"no speed for {stage} is known: name a file in plan.speeds that has one")

    def distance(speed: Speed) -> tuple:
        size = abs(math.log(speed.billions / billions))
        same = _same(speed.device, device)
        return (
            not (speed.stage and same and size < 0.1),
            not same,
            speed.engine != engine,
            round(size, 6),
            not speed.stage,
            speed.source,
        )

    best = min(kind, key=distance)
    factor = best.billions / billions
    ratio, same = max(factor, 1 / factor), _same(best.device, device) and (best.engine == engine or stage == "train")
    doubt = MEASURED if same and best.stage and ratio < 1.1 else NEAR if same and ratio < 1.5 else SCALED if same else OTHER
    scaled = Speed(
        **{**best.__dict__, "read": best.read * factor, "written": best.written * factor, "learned": best.learned * factor}
    )
    words = f"{best.source} ({best.engine or 'training'} on {best.device}, {best.billions:g} billion parameters)"
    words += (f", scaled to {billions:.3g}" if ratio >= 1.1 else "") + ("" if same else "; nothing nearer is known")
    return Chosen(scaled, doubt, words)


def _same(one: str, other: str) -> bool:
    """H100 and NVIDIA H100 80GB HBM3 are the same device."""
    one, other = one.casefold(), other.casefold()
    return one in other or other in one


# What this folder's jobs measured


def measured(results: Path, table: list[Speed], trains_on: str) -> list[Speed]:
    """A row for each stage, engine, device and size that jobs of this folder ran on. What is read for what is written is taken from the
    nearest row of `table`; together they give the seconds that were measured. `trains_on`: the device of training, where it is not noted."""
    sums: dict[tuple, dict[str, float]] = {}
    for file in sorted((results / "completions").rglob("*.spent")):
        found = described(file)
        try:
            key = (file.relative_to(results / "completions").parts[0], found["engine"], found["device"], found["model"])
            mine = sums.setdefault(key, {"jobs": 0})
            mine["jobs"] += 1
            for name in ("answers", "prompt_tokens", "output_tokens", "seconds", "startup"):
                mine[name] = mine.get(name, 0) + found[name]
        except (KeyError, TypeError):
            continue  # torn
    rows = []
    for (stage, engine, device, model), sum_ in sorted(sums.items(), key=lambda item: str(item[0])):
        billions = billions_of(model) if model else None
        if not billions or not sum_["seconds"] or not sum_["prompt_tokens"]:
            continue
        base = choose(table, stage, engine, device, billions).speed
        slower = sum_["seconds"] / base.seconds(sum_["prompt_tokens"], sum_["output_tokens"])
        what = f"measured here: {sum_['answers']} answers of {stage} in {sum_['seconds']:.0f} s"
        rows.append(
            Speed(
                engine, device, billions, what, round(base.read / slower, 3), round(base.written / slower, 3),
                startup=round(sum_["startup"] / sum_["jobs"], 1), stage=stage,
            )
        )  # fmt: skip
    return rows + _measured_training(results, trains_on)


def _measured_training(results: Path, trains_on: str) -> list[Speed]:
    rows = []
    for role in ("label", "chat"):
        trained = described(results / f"models/{role}/model.json")
        seconds = seconds_of_job(results / f"benchmarks/train_{role}_model.tsv")
        facts = trained.get("trained", {})
        tokens = facts.get("tokens", 0) / facts.get("processes", 1)  # each on a device of its own
        billions = billions_of(trained["path"]) if "path" in trained else None
        if seconds and tokens and billions:
            device = str(facts.get("device") or trains_on)
            what = f"measured here: {tokens:.0f} tokens of the {role} model a device in {seconds:.0f} s, start-up included"
            rows.append(Speed("", device, billions, what, learned=round(tokens / seconds, 3), stage="train"))
    return rows


def as_yaml(speeds: list[Speed]) -> str:
    head = "# Measured by the jobs of this folder. Name this file in plan.speeds to plan another run by it.\n"
    rows = [
        {name: value for name, value in speed.__dict__.items() if value not in ("", 0.0)} | {"engine": speed.engine}
        for speed in speeds
    ]
    return head + yaml.safe_dump({"speeds": rows}, allow_unicode=True, sort_keys=False, width=130)


# How large a model is


def billions_of(model: str) -> float | None:
    """Billions of parameters: counted in the headers of a folder's safetensors, or as the name says (Yi-34B, MiniMind2-26M); None where
    neither tells."""
    folder = Path(model).expanduser()
    try:
        counted = sum(_parameters(path) for path in sorted(folder.glob("*.safetensors")))
    except (OSError, ValueError, KeyError):
        counted = 0
    if counted:
        return counted / 1e9
    said = re.findall(r"(?<![A-Za-z0-9.])(\d+(?:\.\d+)?)([BbMm])(?![A-Za-z0-9])", folder.name)
    return float(said[-1][0]) / (1 if said[-1][1] in "Bb" else 1000) if said else None


def _parameters(path: Path) -> int:
    """https://huggingface.co/docs/safetensors: eight bytes of length, then a JSON header with each tensor's shape."""
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(min(length, 100_000_000)))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
