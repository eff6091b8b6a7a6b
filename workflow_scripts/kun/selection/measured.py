"""What was measured on a shard's documents, from the tables that hold it, and the bands in which it may lie."""

from collections.abc import Iterator
from pathlib import Path

from kun.books.tables import read_columns
from kun.selection.cut import Band, Cuts
from kun.selection.primary import COLUMNS


def read_measured(signals: Path, causal: Path | None) -> Iterator[dict[str, list]]:
    """COLUMNS and causal_perplexity (all None where it is not measured), in the batches in which the documents were written.

    Ends the program where the tables are not of the same documents.
    """
    if causal is None:
        for batch in read_columns(signals, list(COLUMNS)):
            yield batch | {"causal_perplexity": [None] * len(batch["tokens"])}
        return
    both = zip(read_columns(signals, ["id", *COLUMNS]), read_columns(causal, ["id", "causal_perplexity"]), strict=True)
    for batch, more in both:
        if batch.pop("id") != more.pop("id"):
            raise SystemExit(f"{signals} and {causal} are not of the same documents; remove {causal} and run snakemake again")
        yield batch | more


def bands_of(cuts: list[Cuts], tables: dict[str, Path], source: str) -> dict[str, Band]:
    """The bands of a shard's source by column, each for values in `tables`. Raises ForeignCut."""
    return {cut.column: cut.for_table(tables[cut.column], source) for cut in cuts}
