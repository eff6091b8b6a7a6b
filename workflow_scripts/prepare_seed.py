"""prepare_seed: seed files of any published format to one checked table with a held-out part; what cannot be used is kept aside, with reasons."""

import argparse
import reprlib
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from kun.books.progress import followed
from kun.books.stage import Stage
from kun.books.tables import Row
from kun.corpus.traditional import simplified
from kun.selection.contamination import Index
from kun.selection.questions import read_questions
from kun.settings.selection import Decontamination
from kun.settings.training import Seed
from kun.training.seed import SCHEMA, reason_to_drop, to_pair, with_han_share
from kun.training.seed_copies import Waiting
from kun.training.seed_files import NoSeedFile, read_seed
from kun.training.turns import BadPair, format_of, turns_of

BATCH = 256  # pairs measured at a time
SHOWN = reprlib.Repr()  # what is kept of a record that is no pair; its locator leads to the rest
SHOWN.maxstring, SHOWN.maxlist, SHOWN.maxdict = 400, 6, 12


def pairs_of(settings: Seed, limit: int, stage: Stage, later: Counter[str]) -> Iterator[Row]:
    """Every pair that the files hold, in order; what is none goes to the stage. `later` counts dialogues whose later turns are not taken."""
    for file in settings.files:
        for raw in followed(read_seed(file, limit), f"prepare_seed: {file}"):
            if raw.value is None:
                stage.take()
                record = {"id": "", "file": file, "format": "", "locator": raw.locator, "turn": 0, "value": raw.start}
                stage.fail(record, raw.reason, _encodable(raw.detail))
            else:
                yield from _pairs_of_record(raw.locator, raw.value, file, settings, stage, later)


def _pairs_of_record(
    locator: str, value: dict[str, Any], file: str, settings: Seed, stage: Stage, later: Counter[str]
) -> Iterator[Row]:
    format, turns = "", 0

    def fail(bad: BadPair) -> None:
        record = {"id": "", "file": file, "format": format, "locator": locator, "turn": turns, "value": SHOWN.repr(value)}
        stage.fail(record, bad.reason, bad.detail)

    try:
        format = format_of(value)
        for turn in turns_of(value, format):
            if turns and settings.turns == "first":
                break
            stage.take()
            try:
                yield to_pair(turn, locator, file, format, settings)
            except BadPair as bad:
                fail(bad)
            turns += 1
        else:
            return
    except BadPair as bad:
        if not turns or settings.turns == "all":
            stage.take()
            fail(bad)
            return
    later[format] += 1


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Seed.model_validate_json, required=True, help="the seed section, as JSON")
    parser.add_argument(
        "--decontamination", type=Decontamination.model_validate_json, default=Decontamination(), help="that section, as JSON"
    )
    parser.add_argument("--max-record-megabytes", type=int, default=2, help="larger records are put aside unread")
    parser.add_argument("--output", type=Path, required=True, help="Parquet of pairs")
    arguments = parser.parse_args()
    settings: Seed = arguments.settings
    try:
        stage = prepare(settings, arguments.decontamination, arguments.max_record_megabytes * 1_000_000, arguments.output)
    except NoSeedFile as fault:
        raise SystemExit(str(fault)) from None
    reasons = (stage.reasons["dropped"] + stage.reasons["failed"]).most_common()
    words = ", ".join(f"{reason} {count:,}" for reason, count in reasons)
    if not stage.keeps.count:
        raise SystemExit(f"seed.files: no usable pair in {', '.join(settings.files)} ({words or 'no records'})")
    print(f"prepare_seed: {stage.keeps.count:,} of {stage.came_in:,} pairs kept" + (f" ({words})" if words else ""))


def prepare(settings: Seed, decontamination: Decontamination, limit: int, output: Path) -> Stage:
    """Raises NoSeedFile. A pair that is dropped for itself owns no instruction, so copies are looked for among the others."""
    index = Index(read_questions(decontamination.benchmarks), decontamination.gram, decontamination.share, simplify=True)
    later: Counter[str] = Counter()
    with Stage("prepare_seed", output, SCHEMA) as stage:
        waiting = Waiting(output.with_name(output.name + ".waiting"))
        try:
            pairs = pairs_of(settings, limit, stage, later)
            while batch := list(islice(pairs, BATCH)):
                clear = []
                for row in with_han_share(batch):
                    if reason := reason_to_drop(row, settings):
                        stage.drop(row, *reason)
                    else:
                        clear.append(row)
                clean = []
                hits = index.find([simplified(f"{row['instruction']}\n{row['output']}") for row in clear])
                for row, hit in zip(clear, hits, strict=True):
                    if hit:
                        stage.drop(row, "contaminated", str(hit))
                    else:
                        clean.append(row)
                waiting.add(clean)
            for row, reason, detail in waiting.decided(settings.duplicates):
                if reason:
                    stage.drop(row, reason, detail)
                else:
                    stage.keep(row)
        finally:
            waiting.discard()
        if later:
            stage.notes["later_turns_not_taken"] = dict(sorted(later.items()))
        if decontamination.benchmarks:
            stage.notes["questions"] = {"looked_for": len(index.questions), "too_short": index.too_short}
    return stage


if __name__ == "__main__":
    main()
