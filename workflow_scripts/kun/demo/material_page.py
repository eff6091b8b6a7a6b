"""MATERIAL.md: what is where, from which package, and what was spoiled on purpose."""

from collections import Counter
from collections.abc import Sequence

from kun.demo.containers import Record
from kun.demo.packages import Package
from kun.demo.spoiled import HOSTILE, TOO_LONG

KINDS = ("good", "duplicate", "too long", "word salad", "wrong language", "hostile", "damaged")


def table(head: Sequence[str], rows: list[Sequence[object]], numbers_from: int) -> list[str]:
    """The lines of a Markdown table, its columns from `numbers_from` on aligned to the right."""
    rule = ["---" if column < numbers_from else "--:" for column in range(len(head))]
    return ["| " + " | ".join(map(str, row)) + " |" for row in (head, rule, *rows)]


def counts_row(name: str, records: list[Record]) -> list[object]:
    count = Counter(record.kind for record in records)
    return [name, *(count[kind] for kind in KINDS), len(records)]


def material_page(packages: Sequence[Package], records: dict[str, list[Record]], reference: dict[str, bytes]) -> str:
    """The page as Markdown; `records` are those of every file below raw/, `reference` the bytes of those below reference/."""
    sources = [[f"{package.name} ({package.client})", package.version, package.licence, package.holds] for package in packages]
    files = [counts_row(name, held) for name, held in records.items()]
    everything = counts_row("all", [record for held in records.values() for record in held])
    references = [[name, content.count(b"\n"), len(content)] for name, content in reference.items()]
    lines = [
        "# The demo's material",
        "",
        "Made by `workflow_scripts/make_demo_material.py`; not to be edited.",
        "",
        *table(["package", "version", "licence", "holds"], sources, 4),
        "",
        "Documents, below `raw/`. Everything but `good` was spoiled on purpose:",
        "",
        *table(["file", *KINDS, "all"], [*files, everything], 1),
        "",
        "- good: news (WuDao), manual pages (WanJuan), reviews (SkyPile)",
        "- duplicate: a good text again, in the same file, its sister or another corpus; two of five differ in white space or width",
        f"- too long: at least {TOO_LONG} characters, pieces of news in a row or a whole manual page",
        "- word salad: words of the news, drawn at random",
        "- wrong language: English",
        f"- hostile: a good text with one of: {', '.join(HOSTILE)}",
        "- damaged: a line cut off or not in UTF-8, a text that is missing or not a string (the last two alone in WuDao's arrays)",
        "",
        "Reference for perplexity, below `reference/`; none of its texts is among the documents:",
        "",
        *table(["file", "texts", "bytes"], references, 1),
        "",
        "`models/MiniMind2-Small/`: the base model, its int8 weights as float32.",
    ]
    return "\n".join(lines) + "\n"
