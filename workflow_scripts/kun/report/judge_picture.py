"""A judge's figures as what its section of the report is drawn from: curves as points of a square picture, shares in words."""

from typing import Any

SIDE, MARGIN = 300, 26  # of the square in which a curve is drawn, and of the room for the axes' marks about it
LEAST, MOST = 2.5, 9.0  # radius of a bin's dot, of few records and of most


def picture(found: dict[str, Any], cut: dict[str, Any]) -> dict[str, Any]:
    """From measures and at_cut (judge.py): points of both curves, the cut's place on the first, figures and kinds, for judge.html.jinja."""
    most = max(part["n"] for part in found["reliability"])
    bins = [
        {
            "at": _place(part["mean"], part["good"]),
            "radius": round(LEAST + (MOST - LEAST) * (part["n"] / most) ** 0.5, 1),
            "words": f"{part['n']} records scored {part['from']:.1f}–{part['to']:.1f}, {100 * part['good']:.0f} % of them good",
        }
        for part in found["reliability"]
    ]
    return {
        "size": SIDE + 2 * MARGIN,
        "start": _place(0, 0),
        "end": _place(1, 1),
        "marks": [{"x": _place(share, 0)[0], "y": _place(0, share)[1], "value": f"{share:g}"} for share in (0, 0.5, 1)],
        "baseline": MARGIN + SIDE,
        "margin": MARGIN,
        "roc": _points(found["roc"]),
        "cut": _place(*_rates(found, cut)),
        "bins": bins,
        "reliability": _points([[part["mean"], part["good"]] for part in found["reliability"]]),
        "kept": _kept(cut),
        "figures": [
            ("labelled records", f"{found['n']}: {found['good']} good, {found['bad']} bad" + _failed(found["failed"])),
            ("ROC-AUC", f"{found['roc_auc']:.3f} (the chance that a good one scores above a bad one; 0.5 is none)"),
            (
                "average precision",
                f"{found['average_precision']:.3f} (a judge that knows nothing: {found['good'] / found['n']:.3f})",
            ),
            ("calibration error", f"{found['ece']:.3f} (mean distance of score and share of good ones)"),
            ("precision and recall at the cut", f"{_said(cut['precision'])} and {_said(cut['recall'])}"),
            ("F1 and accuracy at the cut", f"{_said(cut['f1'])} and {_said(cut['accuracy'])}"),
            ("Krippendorff’s alpha", _alpha(cut)),
            ("mass outside the verdicts", f"{found['outside']['median']:.3f} in the median, {found['outside']['max']:.3f} at most"),
        ],
        "kinds": [{**kind, "width": round(100 * kind["share"], 1)} for kind in cut["kinds"]],
    }


def _place(x: float, y: float) -> tuple[float, float]:
    """Where a point of the unit square stands in the picture, whose y grows downwards."""
    return round(MARGIN + SIDE * x, 1), round(MARGIN + SIDE * (1 - y), 1)


def _points(curve: list[list[float]]) -> str:
    return " ".join("{},{}".format(*_place(x, y)) for x, y in curve)


def _rates(found: dict[str, Any], cut: dict[str, Any]) -> tuple[float, float]:
    """Shares of bad and of good ones that the cut keeps."""
    right = round(cut["recall"] * found["good"])
    return (cut["kept"] - right) / found["bad"], cut["recall"]


def _kept(cut: dict[str, Any]) -> str:
    if cut["threshold"] is None:
        return "Scores are not cut, so all labelled records are kept."
    return f"The cut at {cut['threshold']:g} keeps {cut['kept']} of {cut['n']} labelled records."


def _failed(count: int) -> str:
    return f"; {count} more got no verdict" if count else ""


def _said(share: float | None) -> str:
    return "none" if share is None else f"{share:.3f}"


def _alpha(cut: dict[str, Any]) -> str:
    if cut["alpha"] is None:
        return "none: people and judge all say one thing"
    low, high = cut["alpha_interval"]
    return (
        f"{cut['alpha']:.3f}, 95 % interval {low:.3f} to {high:.3f} (people’s labels against the decision at the cut; 0 is chance)"
    )
