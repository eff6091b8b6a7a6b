"""select_primary: the documents that become primary data; the others are kept aside, each with its reason."""

import argparse
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from kun.books.stage import Stage
from kun.books.tables import Row, read_columns, read_rows
from kun.roles.columns import PRIMARY
from kun.selection.contamination import Index
from kun.selection.cut import read_cut
from kun.selection.primary import COLUMNS, with_reasons
from kun.selection.questions import read_questions
from kun.settings.selection import Decontamination, Primary
from kun.signals import pii


def judged(
    documents: Path, signals: Path, copies: dict[int, Row], settings: Primary, max_perplexity: float | None, index: Index
) -> Iterator[tuple[Row, str | None, str]]:
    """(record, reason, detail) of every document in order; reason None for primary data.

    Asked in this order: its own signals, whether it is a copy, whether it holds a benchmark's question.
    """
    place = 0
    batches = zip(
        read_columns(documents, ["id", "text", "title", "category", "locator"]), read_columns(signals, list(COLUMNS)), strict=True
    )
    for columns, measured in batches:
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        reasons = with_reasons(pl.DataFrame(measured), settings, max_perplexity).rows()
        reasons = [own if own[0] else reason_of_copy(copies.get(place + number)) for number, own in enumerate(reasons)]
        clear = [number for number, (reason, _) in enumerate(reasons) if reason is None]
        for number, hit in zip(clear, index.find([rows[number]["text"] for number in clear]), strict=True):
            if hit:
                reasons[number] = ("contaminated", str(hit))
        for number, (row, reason) in enumerate(zip(rows, reasons, strict=True)):
            yield row | {"tokens": measured["tokens"][number], "perplexity": measured["perplexity"][number]}, *reason
        place += len(rows)


def reason_of_copy(copy: Row | None) -> tuple[str | None, str]:
    if copy is None:
        return None, ""
    if copy["kind"] == "near":
        return "near_duplicate", f"{copy['similarity']:.2f} like {copy['owner']}"
    return "duplicate", f"of {copy['owner']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--signals", type=Path, required=True)
    parser.add_argument("--duplicates", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--settings", type=Primary.model_validate_json, required=True, help="the primary section, as JSON")
    parser.add_argument("--decontamination", type=Decontamination.model_validate_json, required=True, help="that section, as JSON")
    parser.add_argument("--simplify", action="store_true", help="the documents were written in Simplified Chinese")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    settings: Primary = arguments.settings

    max_perplexity, measured = read_cut(arguments.calibration, arguments.signals, "perplexity")
    copies = {row["row"]: row for row in read_rows(arguments.duplicates)}
    decontamination: Decontamination = arguments.decontamination
    index = Index(
        read_questions(decontamination.benchmarks), decontamination.gram, decontamination.share, simplify=arguments.simplify
    )
    masked: Counter[str] = Counter()
    with Stage("select_primary", arguments.output, PRIMARY) as stage:
        for row, reason, detail in judged(arguments.documents, arguments.signals, copies, settings, max_perplexity, index):
            stage.take()
            if reason:
                stage.drop(row, reason, detail)
                continue
            if settings.mask_personal:
                masked.update(pii.count(row["text"]))
                row["text"] = pii.mask(row["text"])
            stage.keep(row)
        stage.notes = {"max_perplexity": max_perplexity, "perplexity": measured}
        if masked:
            stage.notes["masked"] = dict(sorted(masked.items()))
        if decontamination.benchmarks:
            stage.notes["questions"] = {"looked_for": len(index.questions), "too_short": index.too_short}


if __name__ == "__main__":
    main()
