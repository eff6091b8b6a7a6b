"""select_primary: the documents that become primary data; the others are kept aside, each with its reason."""

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from kun.books.stage import Stage
from kun.books.tables import Row, metadata_of, read_columns, read_rows
from kun.roles.columns import PRIMARY
from kun.selection.contamination import Index
from kun.selection.cut import Band, Cuts
from kun.selection.measured import bands_of, read_measured
from kun.selection.primary import with_reasons
from kun.selection.questions import read_questions
from kun.settings.selection import Decontamination, Primary
from kun.signals import pii

CARRIED = ("tokens", "perplexity", "causal_perplexity")  # signals that stay with a record to the end


def judged(
    documents: Path,
    measured: Iterable[dict[str, list]],
    copies: dict[int, Row],
    settings: Primary,
    bands: dict[str, Band],
    index: Index,
) -> Iterator[tuple[Row, str | None, str]]:
    """(record, reason, detail) of every document in order; reason None for primary data.

    Asked in this order: its own signals, whether it is a copy, whether it holds a benchmark's question.
    """
    import polars as pl

    place = 0
    read = read_columns(documents, ["id", "text", "title", "category", "locator"])
    for columns, signals in zip(read, measured, strict=True):
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        reasons = with_reasons(pl.DataFrame(signals), settings, bands).rows()
        reasons = [own if own[0] else reason_of_copy(copies.get(place + number)) for number, own in enumerate(reasons)]
        clear = [number for number, (reason, _) in enumerate(reasons) if reason is None]
        for number, hit in zip(clear, index.find([rows[number]["text"] for number in clear]), strict=True):
            if hit:
                reasons[number] = ("contaminated", str(hit))
        for number, (row, reason) in enumerate(zip(rows, reasons, strict=True)):
            yield row | {name: signals[name][number] for name in CARRIED}, *reason
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
    parser.add_argument("--causal", type=Path, help="the causal model's perplexities, where they are measured")
    parser.add_argument("--calibration", type=Path, nargs="*", default=[], help="the cuts of each perplexity that is measured")
    parser.add_argument("--source", required=True)
    parser.add_argument("--settings", type=Primary.model_validate_json, required=True, help="the primary section, as JSON")
    parser.add_argument("--decontamination", type=Decontamination.model_validate_json, required=True, help="that section, as JSON")
    parser.add_argument("--simplify", action="store_true", help="the documents were written in Simplified Chinese")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    settings: Primary = arguments.settings

    tables = {"perplexity": arguments.signals, "causal_perplexity": arguments.causal}
    cuts = [Cuts.read(path) for path in arguments.calibration]
    bands = bands_of(cuts, tables, arguments.source)
    identities = {column: metadata_of(tables[column])[column] for column in bands}
    copies = {row["row"]: row for row in read_rows(arguments.duplicates)}
    decontamination: Decontamination = arguments.decontamination
    index = Index(
        read_questions(decontamination.benchmarks), decontamination.gram, decontamination.share, simplify=arguments.simplify
    )
    masked: Counter[str] = Counter()
    measured = read_measured(arguments.signals, arguments.causal)
    with Stage("select_primary", arguments.output, PRIMARY, identities) as stage:
        for row, reason, detail in judged(arguments.documents, measured, copies, settings, bands, index):
            stage.take()
            if reason:
                stage.drop(row, reason, detail)
                continue
            if settings.mask_personal:
                masked.update(pii.count(row["text"]))
                row["text"] = pii.mask(row["text"])
            stage.keep(row)
        stage.notes = {"cuts": {column: asdict(band) for column, band in bands.items()}, "identities": identities}
        if masked:
            stage.notes["masked"] = dict(sorted(masked.items()))
        if decontamination.benchmarks:
            stage.notes["questions"] = {"looked_for": len(index.questions), "too_short": index.too_short}


if __name__ == "__main__":
    main()
