"""A survey of a perplexity as what its picture is drawn from: everything in per cent of the picture's width and height."""

import math
from collections import Counter
from typing import Any

from kun.report.survey import FINE, quantile
from kun.selection.cut import ALL

COARSE = 4  # bars an octave
TITLES = {"perplexity": "N-gram perplexity", "causal_perplexity": "Causal perplexity"}


def picture(column: str, surveyed: dict[str, Any]) -> dict[str, Any]:
    """Rows of bars by source, boxes by length, marks of the axis and the texts about the cuts, for perplexity.html.jinja."""
    sources = {source: Counter(dict(known["bins"])) for source, known in surveyed["sources"].items()}
    everything = sum(sources.values(), Counter())
    if not everything:
        return {"title": TITLES[column], "identity": surveyed["identity"], "rows": [], "without": surveyed["without"]}
    axis = _Axis(everything, surveyed["cuts"])
    return {
        "title": TITLES[column],
        "identity": surveyed["identity"],
        "without": surveyed["without"],
        "ticks": axis.ticks(),
        "rows": [_row(source, counts, axis, surveyed) for source, counts in sources.items() if counts],
        "lengths": [
            _length(band, following, axis)
            for band, following in zip(surveyed["lengths"], [*surveyed["lengths"][1:], None], strict=True)
            if band["documents"]
        ],
        "cuts": [
            {"end": end, "place": axis.place(value), "value": value}
            for end in ("low", "high")
            if (value := surveyed["cuts"].get(ALL, {}).get(end)) is not None
        ],
        "texts": [
            {
                "end": end,
                "inside": surveyed["texts"].get(f"{end} inside", []),
                "outside": surveyed["texts"].get(f"{end} outside", []),
            }
            for end in ("high", "low")
            if f"{end} inside" in surveyed["texts"]
        ],
    }


class _Axis:
    """A logarithmic axis from the thousandth to the last thousandth of all documents, and past every cut."""

    def __init__(self, everything: Counter, cuts: dict[str, dict[str, float | None]]):
        ends = [quantile(everything, share) for share in (0.001, 0.999)]
        ends += [value for band in cuts.values() for value in band.values() if value]
        self.start = math.floor(math.log2(min(ends)) * COARSE - 1) / COARSE
        self.end = math.ceil(math.log2(max(ends)) * COARSE + 1) / COARSE

    def place(self, value: float) -> float:
        """Where a value stands, in per cent; what is off the axis stands at its end."""
        return round(100 * min(max((math.log2(max(value, 1e-9)) - self.start) / (self.end - self.start), 0), 1), 2)

    def ticks(self) -> list[dict[str, Any]]:
        values = [step * 10**power for power in range(7) for step in (1, 2, 5)]
        return [{"place": self.place(value), "value": f"{value:,}"} for value in values if self.start < math.log2(value) < self.end]


def _row(source: str, counts: Counter, axis: _Axis, surveyed: dict[str, Any]) -> dict[str, Any]:
    """A source's bars, its tallest as high as the row, with its own cut and the shares beyond it; bars wholly beyond are `gone`."""
    bars: Counter[int] = Counter()
    for number, count in counts.items():
        bars[min(max(number * COARSE // FINE, round(axis.start * COARSE)), round(axis.end * COARSE) - 1)] += count
    tallest, known = max(bars.values()), surveyed["sources"][source]
    band = surveyed["cuts"].get(source) or surveyed["cuts"][ALL]
    low, high = (math.log2(band[end]) * COARSE if band[end] else None for end in ("low", "high"))
    width = 100 / ((axis.end - axis.start) * COARSE)
    return {
        "source": source,
        "documents": known["documents"],
        "above": 100 * known["above"] / known["documents"],
        "below": 100 * known["below"] / known["documents"],
        "median": quantile(counts, 0.5),
        "bars": [
            {
                "left": round((number - axis.start * COARSE) * width, 2),
                "width": round(width * 0.92, 2),
                "height": round(100 * count / tallest, 2),
                "count": count,
                "gone": (high is not None and number >= high) or (low is not None and number + 1 <= low),
            }
            for number, count in sorted(bars.items())
        ],
        "cuts": [{"end": end, "place": axis.place(value), "value": value} for end, value in band.items() if value is not None],
    }


def _length(band: dict[str, Any], following: dict[str, Any] | None, axis: _Axis) -> dict[str, Any]:
    """A box from the 25th to the 75th percentile, a line from the 5th to the 95th, of the documents of a length."""
    places = {share: axis.place(value) for share, value in band["quantiles"].items()}
    return {
        "name": f"{band['from']}–{following['from'] - 1}" if following else f"{band['from']} and more",
        "documents": band["documents"],
        "above": 100 * band["above"] / band["documents"],
        "below": 100 * band["below"] / band["documents"],
        "median": band["quantiles"]["50"],
        "line": {"left": places["5"], "width": round(places["95"] - places["5"], 2)},
        "box": {"left": places["25"], "width": round(max(places["75"] - places["25"], 0.2), 2)},
    }
