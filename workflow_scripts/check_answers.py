"""check_answers: which polished answers become pairs."""

import argparse
from collections import Counter
from pathlib import Path

from kun.books.stage import Stage
from kun.books.tables import read_rows
from kun.roles.columns import POLISHED
from kun.selection.answers import AnswerRules
from kun.settings.roles import Answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--settings", type=Answers.model_validate_json, required=True, help="the answers section, as JSON")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    rules = AnswerRules(arguments.settings)
    words: Counter[str] = Counter()
    with Stage("check_answers", arguments.output, POLISHED) as stage:
        for row in read_rows(arguments.records):
            stage.take()
            if reason := rules.reason_to_drop(row["instruction"], row["output"]):
                stage.drop(row, *reason)
                words.update([reason[1]] if reason[0] == "answer_words" else [])
            else:
                stage.keep(row)
        stage.notes = {"words": dict(sorted(words.items()))}


if __name__ == "__main__":
    main()
