"""select_instructions: which scored instructions go on to be answered."""

import argparse
import json
from collections import Counter
from pathlib import Path

from kun.books.stage import Stage
from kun.books.tables import metadata_of, read_rows
from kun.roles.columns import SCORED
from kun.selection.instructions import InstructionRules
from kun.settings.roles import Instructions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument(
        "--settings", type=Instructions.model_validate_json, required=True, help="the instructions section, as JSON"
    )
    parser.add_argument("--calibration", type=Path, required=True, help="JSON: the least score, or null for no cut")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    calibration = json.loads(arguments.calibration.read_text(encoding="utf-8"))
    judge = metadata_of(arguments.records)["score"]
    if calibration["identity"] not in (None, judge):
        raise SystemExit(
            f"the cut was calibrated for scores of {calibration['identity']}, but {arguments.records} holds those of {judge}; "
            "remove the calibration file and run snakemake again"
        )
    rules = InstructionRules(arguments.settings, calibration["cut"])
    words: Counter[str] = Counter()
    with Stage("select_instructions", arguments.output, SCORED) as stage:
        for row in read_rows(arguments.records):
            stage.take()
            if reason := rules.reason_to_drop(row["instruction"], row["score"]):
                stage.drop(row, *reason)
                words.update([reason[1]] if reason[0] == "instruction_words" else [])
            else:
                stage.keep(row)
        stage.notes = {"least_score": calibration["cut"], "words": dict(sorted(words.items()))}


if __name__ == "__main__":
    main()
