"""What was measured of each model, and the differences between them, with intervals: from tables to figures."""

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

from kun.books.ledger import Ledger
from kun.books.stage import ledger_path
from kun.books.tables import Row, read_rows
from kun.evaluation.intervals import Interval, difference_of_ratios, interval, mean, ratio
from kun.evaluation.questions import LETTERS

Figures = dict[str, Any]


def compared(held_out: dict[str, Path], answers: dict[str, Path]) -> Figures:
    """{"models": {name: {"held_out", "questions"}}, "differences": [{"from", "to", "held_out", "questions"}]}; a part is None where it was not
    measured. Files by the names of models, in the order in which they are shown; a difference is `to` minus `from`."""
    losses = {name: {row["id"]: row for row in read_rows(path)} for name, path in held_out.items()}
    choices = {name: {row["id"]: row for row in read_rows(path)} for name, path in answers.items()}
    names = list(held_out | answers)
    return {
        "models": {
            name: {
                "held_out": of_losses(losses[name], Ledger.read(ledger_path(held_out[name]))) if name in losses else None,
                "questions": of_answers(choices[name], Ledger.read(ledger_path(answers[name]))) if name in choices else None,
            }
            for name in names
        },
        "differences": [
            {
                "from": first,
                "to": second,
                "held_out": _of_losses(losses[first], losses[second]) if {first, second} <= losses.keys() else None,
                "questions": _of_answers(choices[first], choices[second]) if {first, second} <= choices.keys() else None,
            }
            for first, second in combinations(names, 2)
        ],
    }


def of_losses(rows: dict[str, Row], ledger: Ledger) -> Figures:
    """Mean loss in nats per token over all pairs' completions, with its interval; None of no pair."""
    nats, tokens = _column(rows.values(), "nats"), _column(rows.values(), "tokens")
    return {
        "nll": sum(nats) / sum(tokens) if rows else None,
        "interval": interval(ratio, nats, tokens),
        "pairs": len(rows),
        "tokens": sum(tokens),
        "left_out": ledger.dropped | ledger.failed,
    }


def of_answers(rows: dict[str, Row], ledger: Ledger) -> Figures:
    """Accuracy over all questions that were answered, and by subject."""
    subjects = defaultdict(list)
    for row in rows.values():
        subjects[row["subject"]].append(row)
    by_subject = {subject: _accuracy(found) for subject, found in sorted(subjects.items())}
    return {
        **_accuracy(list(rows.values())),
        "mean_of_subjects": sum(found["accuracy"] for found in by_subject.values()) / len(by_subject) if by_subject else None,
        "tied": sum(row["tied"] for row in rows.values()),
        "with_fewer_shots": sum(row["lacking"] > 0 for row in rows.values()),
        "shots": sum(row["shots"] for row in rows.values()) / len(rows) if rows else None,
        "not_answered": ledger.dropped | ledger.failed,
        "chosen": {letter: sum(row["chosen"] == letter for row in rows.values()) for letter in LETTERS},
        "answers": {letter: sum(row["answer"] == letter for row in rows.values()) for letter in LETTERS},
        "subjects": by_subject,
    }


def _accuracy(rows: Sequence[Row]) -> Figures:
    right = _column(rows, "right")
    return {
        "accuracy": sum(right) / len(right) if right else None,
        "interval": interval(mean, right),
        "questions": len(right),
        "right": sum(right),
    }


def _of_losses(first: dict[str, Row], second: dict[str, Row]) -> Figures | None:
    both = [name for name in first if name in second]
    if not both:
        return None
    columns = [_column((rows[name] for name in both), column) for rows in (second, first) for column in ("nats", "tokens")]
    values, weights, other_values, other_weights = columns
    difference = sum(values) / sum(weights) - sum(other_values) / sum(other_weights)
    return _difference(difference, interval(difference_of_ratios, *columns), len(both))


def _of_answers(first: dict[str, Row], second: dict[str, Row]) -> Figures | None:
    both = [name for name in first if name in second]
    if not both:
        return None
    gained = [int(second[name]["right"]) - int(first[name]["right"]) for name in both]
    return _difference(sum(gained) / len(gained), interval(mean, gained), len(both))


def _difference(value: float, within: Interval | None, records: int) -> Figures:
    """`is_clear`: the interval leaves out 0."""
    return {
        "difference": value,
        "interval": within,
        "records": records,
        "is_clear": within is not None and not within[0] <= 0 <= within[1],
    }


def _column(rows, name: str) -> list:
    return [row[name] for row in rows]
