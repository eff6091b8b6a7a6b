"""A cut of scores from what people said: the least threshold at which so large a share of what is kept is good."""

from pathlib import Path
from typing import Any

from kun.books.tables import metadata_of, read_columns
from kun.selection.cut import ALL

FEW = 10  # kept records that carry a precision no further than themselves


class Unreachable(SystemExit):
    """No threshold reaches the precision that was asked for. Ends a program with a message that says which is the highest."""


def cut_of_labels(table: Path, precision: float) -> dict[str, Any]:
    """{identity, cuts} from a judge's scores beside people's labels. Raises Unreachable."""
    batches = list(read_columns(table, ["score", "good"]))
    scores, good = ([value for batch in batches for value in batch[column]] for column in ("score", "good"))
    low, reached, kept = least_threshold(scores, good, precision)
    known = {"low": low, "high": None, "doubt": 0.0, "records": None, "percentiles": {}}
    known |= {"labelled": len(scores), "kept": kept, "precision": reached}
    return {"identity": metadata_of(table)["score"], "cuts": {ALL: known}}


def least_threshold(scores: list[float], good: list[bool], precision: float) -> tuple[float, float, int]:
    """(threshold, the precision reached there, how many are kept): equal scores are kept or dropped together. Raises Unreachable."""
    from sklearn.metrics import precision_recall_curve

    precisions, _, thresholds = precision_recall_curve(
        good, scores
    )  # thresholds ascend; the last precision is that of keeping none
    found = [(float(threshold), float(reached)) for threshold, reached in zip(thresholds, precisions[:-1], strict=True)]
    enough = next((point for point in found if point[1] >= precision), None)
    if enough is None:
        threshold, reached = max(found, key=lambda point: (point[1], -point[0]))
        kept = sum(score >= threshold for score in scores)
        raise Unreachable(
            f"score.precision: no threshold reaches {precision:g} on the {len(scores)} labelled records; the highest precision is {reached:.3f}, "
            f"at threshold {threshold:g}, which keeps {kept}. Ask for less, or take a better judge (models.point, score.prompt)"
        )
    return *enough, sum(score >= enough[0] for score in scores)
