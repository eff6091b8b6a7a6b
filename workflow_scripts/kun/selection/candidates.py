"""The choice among a record's instructions: the best by score that the rules let pass."""

from collections.abc import Callable
from typing import Any

from kun.books.tables import Row

Reason = tuple[str, str]


def with_best(row: Row, reason_to_drop: Callable[[str, float], Reason | None]) -> tuple[Row, Reason | None]:
    """The record with one instruction in place of its candidates, and why it is dropped if it is. Where no candidate passes, the best one
    and its reason. Of equal scores the one drawn first."""
    scores = row["candidate_scores"]
    order = sorted((place for place, score in enumerate(scores) if score is not None), key=lambda place: (-scores[place], place))
    reasons = {place: reason_to_drop(row["candidates"][place], scores[place]) for place in order}
    place = next((place for place in order if reasons[place] is None), order[0])
    chosen: dict[str, Any] = {
        "instruction": row["candidates"][place],
        "instruction_raw": row["candidates_raw"][place],
        "score": scores[place],
        "score_outside": row["candidate_outside"][place],
    }
    return {name: value for name, value in row.items() if not name.startswith("candidate")} | chosen, reasons[place]
