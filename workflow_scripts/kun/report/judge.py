"""How good a judge is, in figures, from its scores beside people's labels: by itself, and at a cut.

What needs no cut (how it ranks, how far its scores are shares of good ones) is known before any of the corpus is scored. Knows nothing of
how scores came about.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kun.books.ledger import Ledger
from kun.books.stage import ledger_path
from kun.books.tables import read_rows

BINS = 10  # of the reliability curve, equally wide
RESAMPLES, SEED, LEVEL = 2000, 20240111, 95  # of the bootstrap; its interval is in per cent


@dataclass(frozen=True)
class Judged:
    """Scores beside labels, record by record. `low` and `high` are the worst and the best verdict's value."""

    scores: np.ndarray  # float64 [n]
    good: np.ndarray  # bool [n]
    kinds: list[str | None]
    outside: np.ndarray  # float64 [n]
    low: float = 0.0
    high: float = 1.0
    failed: int = 0  # records that got no verdict

    @classmethod
    def read(cls, table: Path, low: float, high: float) -> "Judged":
        rows = list(read_rows(table, ["score", "good", "kind", "score_outside"]))
        if len({row["good"] for row in rows}) < 2:
            raise SystemExit(
                f"{table}: of {len(rows)} verdicts, none is on a good one or none on a bad one; its dropped.parquet says why"
            )
        columns = (np.array([row[name] for row in rows]) for name in ("score", "good", "score_outside"))
        scores, good, outside = columns
        failed = sum(Ledger.read(ledger_path(table)).failed.values())
        return cls(scores, good, [row["kind"] for row in rows], outside, low, high, failed)


def measures(judged: Judged) -> dict[str, Any]:
    """What needs no cut: ROC-AUC and its curve, average precision, reliability, precision and recall at every threshold, mass outside."""
    from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score, roc_curve

    good, scores = judged.good, judged.scores
    wrong, right, _ = roc_curve(good, scores)
    precisions, recalls, thresholds = precision_recall_curve(good, scores)
    bins, error = reliability(judged)
    return {
        "n": len(scores),
        "good": int(good.sum()),
        "bad": int((~good).sum()),
        "failed": judged.failed,
        "verdicts": {"low": judged.low, "high": judged.high},
        "roc_auc": _rounded(roc_auc_score(good, scores)),
        "average_precision": _rounded(average_precision_score(good, scores)),
        "roc": [[_rounded(x), _rounded(y)] for x, y in zip(wrong, right, strict=True)],
        "reliability": bins,
        "ece": error,
        "thresholds": [
            {
                "threshold": _rounded(threshold),
                "kept": int((scores >= threshold).sum()),
                "precision": _rounded(precision),
                "recall": _rounded(recall),
            }
            for threshold, precision, recall in zip(thresholds, precisions[:-1], recalls[:-1], strict=True)
        ],
        "outside": {"median": _rounded(np.median(judged.outside)), "max": _rounded(judged.outside.max())},
    }


def reliability(judged: Judged) -> tuple[list[dict[str, Any]], float]:
    """(bins of the score with the share of good ones in each, expected calibration error).

    A score counts as the share of the way from the worst verdict's value to the best one's: for the binary rubric that is p(good).
    The error is the mean distance, over records, between a bin's mean score and its share of good ones. (Naeini et al. 2015.)
    """
    shares = (judged.scores - judged.low) / (judged.high - judged.low)
    places = np.minimum((shares * BINS).astype(int), BINS - 1)
    bins, error = [], 0.0
    for number in range(BINS):
        inside = places == number
        if count := int(inside.sum()):
            mean, good = float(shares[inside].mean()), float(judged.good[inside].mean())
            bins.append(
                {"from": number / BINS, "to": (number + 1) / BINS, "n": count, "mean": _rounded(mean), "good": _rounded(good)}
            )
            error += count / len(shares) * abs(mean - good)
    return bins, _rounded(error)


def at_cut(judged: Judged, low: float | None) -> dict[str, Any]:
    """What a cut does: records of at least `low` are kept, or all where it is None. A share of nothing is None."""
    kept = judged.scores >= low if low is not None else np.ones(len(judged.scores), dtype=bool)
    right, good = int((kept & judged.good).sum()), int(judged.good.sum())
    alpha, interval = agreement(judged.good, kept)
    kinds = [(("good" if label else "bad"), kind or "") for label, kind in zip(judged.good, judged.kinds, strict=True)]
    rejected = Counter(kind for kind, stays in zip(kinds, kept, strict=True) if not stays)
    return {
        "threshold": low,
        "n": len(kept),
        "kept": int(kept.sum()),
        "precision": _share(right, int(kept.sum())),
        "recall": _share(right, good),
        "f1": _share(2 * right, int(kept.sum()) + good),
        "accuracy": _share(int((kept == judged.good).sum()), len(kept)),
        "alpha": alpha,
        "alpha_interval": interval,
        "kinds": [
            {
                "label": label,
                "kind": kind,
                "n": count,
                "rejected": rejected[label, kind],
                "share": _share(rejected[label, kind], count),
            }
            for (label, kind), count in sorted(Counter(kinds).items())
        ],
    }


def agreement(people: np.ndarray, judge: np.ndarray) -> tuple[float | None, list[float] | None]:
    """(Krippendorff's alpha for nominal labels, its bootstrap interval): 1 is agreement, 0 what chance gives. None where all say one thing.

    The interval is of LEVEL per cent, over resampled records; resamples in which all say one thing have no alpha and do not count.
    """
    alpha = _alpha(people, judge)
    if alpha is None:
        return None, None
    chance = np.random.default_rng(SEED)
    drawn = (chance.integers(0, len(people), len(people)) for _ in range(RESAMPLES))
    found = [value for places in drawn if (value := _alpha(people[places], judge[places])) is not None]
    ends = np.percentile(found, [(100 - LEVEL) / 2, (100 + LEVEL) / 2]) if found else (alpha, alpha)
    return _rounded(alpha), [_rounded(end) for end in ends]


def _alpha(people: np.ndarray, judge: np.ndarray) -> float | None:
    import krippendorff

    said = np.stack([people, judge]).astype(int)
    if said.min() == said.max():
        return None
    return float(krippendorff.alpha(reliability_data=said, level_of_measurement="nominal"))


def _share(part: int, whole: int) -> float | None:
    return _rounded(part / whole) if whole else None


def _rounded(value: float) -> float:
    """To six decimals, as scores are: what is written down does not depend on a machine's last bits."""
    return round(float(value), 6)
