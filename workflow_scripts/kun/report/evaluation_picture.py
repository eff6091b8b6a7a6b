"""The comparison of chat models as what its page is drawn from: values and intervals as places on an axis, in per cent of its width."""

import math
from typing import Any

MARGIN = 0.08  # of the axis, to either side of what stands on it
CHANCE = 0.25


def picture(found: dict[str, Any]) -> dict[str, Any]:
    """From a comparison (kun.evaluation.comparison, with what compare_models adds): rows of dots with their intervals, and texts."""
    models = found["models"]
    losses = {
        name: measures["held_out"] for name, measures in models.items() if measures["held_out"] and measures["held_out"]["pairs"]
    }
    answers = {
        name: measures["questions"]
        for name, measures in models.items()
        if measures["questions"] and measures["questions"]["questions"]
    }
    return {
        "held_out": _dots({name: (part["nll"], part["interval"]) for name, part in losses.items()}, "{:.3f}"),
        "held_out_facts": [
            (name, f"{part['pairs']} pairs, {part['tokens']} tokens{_reasons(part['left_out'], 'left out')}")
            for name, part in losses.items()
        ],
        "held_out_differences": _differences(found["differences"], "held_out", "{:+.3f}"),
        "questions": _dots(
            {name: (100 * part["accuracy"], _times_100(part["interval"])) for name, part in answers.items()}, "{:.1f}", 100 * CHANCE
        ),
        "question_facts": [(name, _of_answers(part)) for name, part in answers.items()],
        "question_differences": _differences(found["differences"], "questions", "{:+.1f}", 100),
        "subjects": _subjects(answers),
        "names": list(answers),
        "read": found["questions"],
        "bad": _reasons((found["questions"] or {}).get("failed", {}) | (found["questions"] or {}).get("dropped", {}), "").lstrip(
            ", "
        ),
        "not_in_decontamination": found["not_in_decontamination"],
        "shots": found["shots"],
        "prompts": found["prompts"],
    }


def _dots(values: dict[str, tuple[float, list[float] | None]], form: str, chance: float | None = None) -> dict[str, Any] | None:
    """A row for each model on one axis; None of no model."""
    if not values:
        return None
    ends = [end for value, interval in values.values() for end in (value, *(interval or ()))] + (
        [chance] if chance is not None else []
    )
    span = (max(ends) - min(ends)) or max(abs(max(ends)), 1.0) / 10
    low, high = min(ends) - MARGIN * span, max(ends) + MARGIN * span

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    return {
        "rows": [
            {
                "name": name,
                "place": place(value),
                "left": place(interval[0]) if interval else None,
                "width": round(place(interval[1]) - place(interval[0]), 2) if interval else None,
                "words": form.format(value)
                + (f" ({form.format(interval[0])} to {form.format(interval[1])})" if interval else " (no interval)"),
            }
            for name, (value, interval) in values.items()
        ],
        "ticks": [{"place": place(value), "value": f"{value:g}"} for value in _round_values(low, high)],
        "chance": place(chance) if chance is not None else None,
    }


def _round_values(low: float, high: float) -> list[float]:
    """About five round values between the two."""
    rough = (high - low) / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [round(number * step, 10) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _differences(differences: list[dict[str, Any]], measure: str, form: str, factor: float = 1) -> list[dict[str, Any]]:
    rows = []
    for difference in differences:
        part = difference[measure]
        if part:
            interval = [factor * end for end in part["interval"]] if part["interval"] else None
            rows.append(
                {
                    "what": f"{difference['to']} − {difference['from']}",
                    "value": form.format(factor * part["difference"]),
                    "interval": f"{form.format(interval[0])} to {form.format(interval[1])}" if interval else "none",
                    "records": part["records"],
                    "clear": part["is_clear"],
                }
            )
    return rows


def _of_answers(part: dict[str, Any]) -> str:
    chosen = ", ".join(f"{letter} {part['chosen'][letter]} (right {part['answers'][letter]})" for letter in part["chosen"])
    return (
        f"{part['right']} of {part['questions']} right; mean of subjects {100 * part['mean_of_subjects']:.1f} %; {part['shots']:.1f} solved questions "
        f"before each, fewer than there were before {part['with_fewer_shots']} of them, for want of room; {part['tied']} ties"
        f"{_reasons(part['not_answered'], 'not answered')}; letters chosen: {chosen}"
    )


def _subjects(answers: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    names = sorted({subject for part in answers.values() for subject in part["subjects"]})
    return [
        {
            "subject": subject,
            "questions": max(part["subjects"][subject]["questions"] for part in answers.values() if subject in part["subjects"]),
            "accuracies": [
                round(100 * part["subjects"][subject]["accuracy"], 1) if subject in part["subjects"] else None
                for part in answers.values()
            ],
        }
        for subject in names
    ]


def _reasons(counts: dict[str, int], word: str) -> str:
    return ", " + f"{word} ".lstrip() + ", ".join(f"{reason} {count}" for reason, count in counts.items()) if counts else ""


def _times_100(interval: list[float] | None) -> list[float] | None:
    return [100 * end for end in interval] if interval else None
