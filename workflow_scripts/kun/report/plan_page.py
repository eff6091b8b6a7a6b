"""A plan as a table for the terminal and as a page: what is expected of each stage, between what bounds, and what that rests on."""

import unicodedata
from typing import Any

from kun.report.funnel import TITLES
from kun.report.pages import page

UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def number(value: float) -> str:
    """1499, 21.3k, 3.4M: three figures are more than an estimate knows, four are shown where all are."""
    for size, letter in UNITS:
        if value >= max(size, 1e4):
            return f"{value / size:.3g}{letter}"
    return f"{value:.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def interval(estimate: list[float]) -> str:
    low, likely, high = map(number, estimate)
    return likely if low == high else f"{likely} ({low}–{high})"


def size(estimate: list[float]) -> str:
    """Bytes."""
    low, likely, high = (number(value) + "B" for value in estimate)
    return likely if low == high else f"{likely} ({low}–{high})"


def hours(estimate: list[float]) -> str:
    """Hours, as minutes where they are few; nothing for none."""
    if not estimate[2]:
        return ""
    unit, factor = ("h", 1) if estimate[1] >= 1 else ("min", 60)
    return interval([value * factor for value in estimate]) + f" {unit}"


def title(stage: str) -> str:
    return TITLES.get(stage, stage)


def as_text(plan: dict[str, Any]) -> str:
    """Tables in plain text: the stages, then the sources."""
    head = [
        "stage",
        "records",
        "tokens read",
        "written",
        "jobs",
        "device time" if plan["device"] != "cpu" else "time of jobs",
        "disk",
        "rests on",
    ]
    rows = [
        [
            title(stage["stage"]),
            interval(stage["kept"]) if stage["by_source"] else "",
            interval(stage["prompt_tokens"]) if stage["prompt_tokens"][2] else "",
            interval(stage["output_tokens"]) if stage["output_tokens"][2] else "",
            str(stage["jobs"]),
            hours(stage["hours"]),
            size(stage["bytes"]),
            stage["rests_on"],
        ]
        for stage in plan["stages"]
    ]
    sources = [
        [
            source,
            interval(found["raw"]),
            interval(found["documents"]),
            interval(found["primary"]),
            str(found["shards"]),
            f"{found['sampled']} of {found['sampled_shards']} shards, {found['share_read']:.2%} of {number(found['bytes'])}B",
        ]
        for source, found in plan["sources"].items()
    ]
    parts = [
        f"{plan['name']}: about {interval(plan['stages'][-1]['kept'])} pairs from {interval(plan['raw'])} raw records; "
        f"{size(plan['bytes'])} of disk, {number(plan['bytes_there'])}B of it there; models on {plan['device']}",
        _table(head, rows),
        _table(["source", "raw records", "documents", "primary data", "shards", "sample"], sources),
        *(f"! {warning}" for warning in plan["warnings"]),
    ]
    return "\n\n".join(parts)


def _table(head: list[str], rows: list[list[str]]) -> str:
    widths = [max(_width(row[place]) for row in [head, *rows]) for place in range(len(head))]
    lines = (
        "  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)) for row in [head, *rows]
    )
    return "\n".join(line.rstrip() for line in lines)


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def as_page(plan: dict[str, Any]) -> str:
    most = max((stage["kept"][2] for stage in plan["stages"]), default=0) or 1
    longest = max((stage["hours"][2] for stage in plan["stages"]), default=0) or 1
    stages = [
        {
            **stage,
            "title": title(stage["stage"]),
            "bar": _bar(stage["kept"], max(most, plan["raw"][2])),
            "hours_bar": _bar(stage["hours"], longest),
        }
        for stage in plan["stages"]
    ]
    return page("plan.html.jinja", plan=plan, stages=stages, interval=interval, size=size, number=number, hours=hours)


def _bar(estimate: list[float], full: float) -> dict[str, float]:
    """In per cent: the bar to the likely value, and a line from the low to the high one."""
    low, likely, high = (round(100 * value / full, 2) for value in estimate)
    return {"low": low, "likely": likely, "width": round(high - low, 2)}
