"""check_answers: measures the polished answers and decides, by the values measured, which become pairs."""

import argparse
from collections import Counter
from pathlib import Path

from kun.books.stage import Stage
from kun.books.tables import read_columns
from kun.roles.columns import CHECKED, POLISHED
from kun.selection.answers import considered, counted, reason_to_drop
from kun.selection.phrases import ANSWERS, Rules
from kun.settings.roles import Answers
from kun.signals.answer_signals import answer_columns
from kun.signals.language import language_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=Path, required=True)
    parser.add_argument("--settings", type=Answers.model_validate_json, required=True, help="the answers section, as JSON")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    settings, rules, model = arguments.settings, Rules(ANSWERS), language_model()
    hits: Counter[str] = Counter()
    others: Counter[tuple[str, str]] = Counter()
    tallies = {"tails": 0, "with_new": 0}
    with Stage("check_answers", arguments.output, CHECKED) as stage:
        for batch in read_columns(arguments.records, POLISHED.names):
            measured = answer_columns(model, batch["text"], batch["instruction"], batch["output"])
            bodies = measured.pop("answer_body")
            for number, body in enumerate(bodies):
                stage.take()
                row = {name: values[number] for name, values in (batch | measured).items()}
                found = rules.hits(body)
                row |= {"answer_rules": " ".join(found), "output": body if settings.strip_tail else row["output"]}
                hits.update(found)
                others.update(considered(row))
                tallies["tails"] += bool(row["answer_tail"])
                tallies["with_new"] += row["answer_new_count"] > 0
                if reason := reason_to_drop(row, settings):
                    stage.drop(row, *reason)
                else:
                    stage.keep(row)
        stage.notes = {**tallies, "preset": settings.rules, "rules": rules.tallied(hits), "would_drop": counted(others)}


if __name__ == "__main__":
    main()
