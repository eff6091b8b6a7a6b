"""select_instructions: which scored instruction of each text goes on to be answered, if any."""

import argparse
from collections import Counter
from pathlib import Path

from kun.books.stage import Stage
from kun.books.tables import read_rows
from kun.roles.columns import CURATED
from kun.selection.candidates import with_best
from kun.selection.cut import ALL, Cuts
from kun.selection.instructions import InstructionRules
from kun.settings.roles import Instructions


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument(
        "--settings", type=Instructions.model_validate_json, required=True, help="the instructions section, as JSON"
    )
    parser.add_argument("--calibration", type=Path, required=True, help="JSON: the least score")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    least_score = Cuts.read(arguments.calibration).for_table(arguments.records, ALL).low
    rules = InstructionRules(arguments.settings, least_score)
    hits: Counter[str] = Counter()
    with Stage("select_instructions", arguments.output, CURATED) as stage:
        for scored in read_rows(arguments.records):
            stage.take()
            row, reason = with_best(scored, rules.reason_to_drop)
            hits.update(rules.hits(row["instruction"]))
            if reason:
                stage.drop(row, *reason)
            else:
                stage.keep(row)
        stage.notes = {"least_score": least_score, "preset": arguments.settings.rules, "rules": rules.tallied(hits)}


if __name__ == "__main__":
    main()
