"""read_questions, read_shots: multiple-choice questions out of files in CMMLU's form, checked and as one table."""

import argparse
from pathlib import Path

from kun.books.stage import Stage
from kun.evaluation.questions import QUESTIONS, BadQuestion, read_records, subject_of, to_question


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=Path, nargs="*", required=True, help="CSV or JSON lines: Question, A, B, C, D, Answer")
    parser.add_argument("--output", type=Path, required=True, help="Parquet of the questions; the unusable ones are beside it")
    arguments = parser.parse_args()

    seen: dict[str, str] = {}  # a question's id -> where it stands first
    with Stage("read_questions", arguments.output, QUESTIONS) as stage:
        for path in arguments.files:
            for locator, record in read_records(path):
                stage.take()
                try:
                    row = to_question(locator, record, subject_of(path))
                except BadQuestion as bad:
                    stage.fail({"id": locator, "record": record}, str(bad), locator)
                    continue
                if first := seen.get(row["id"]):
                    stage.drop(row, "duplicate", f"the same as {first}")
                    continue
                seen[row["id"]] = locator
                stage.keep(row)


if __name__ == "__main__":
    main()
