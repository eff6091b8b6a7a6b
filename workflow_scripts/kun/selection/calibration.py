"""Cuts from percentiles, or from how many are wanted: which documents are the sample, and where the cut lies in it.

A sample holds the documents whose ids sort first. An id is a digest of the content, so the choice is as good as chance, equal texts
count once, and neither shards nor their order matter. It is drawn from the shards that were there when the cut was first made: those
that come later do not move it.
"""

import math
from pathlib import Path
from typing import Any

from kun.books.progress import followed
from kun.selection.columns import TOKENS
from kun.selection.cut import ALL, one_identity
from kun.selection.primary import allowance
from kun.settings.perplexity import Cut
from kun.settings.roles import ScoreCut

SHOWN = (1, 5, 10, 25, 50, 75, 80, 90, 95, 99)  # percentiles written down beside the cut, for people


def cuts_of_tables(tables: dict[str, Path], column: str, cut: Cut) -> dict[str, Any]:
    """{identity, cuts: {source or ALL: {low, high, records, percentiles}}} from tables of values, by shard. Raises ForeignCut."""
    by_source = cut.percentile_of == "source"
    identity = one_identity(list(tables.values()), column)
    groups: dict[str, list[Path]] = {}
    for shard, table in tables.items():
        groups.setdefault(shard.split("/")[0] if by_source else ALL, []).append(table)
    return {"identity": identity, "cuts": {name: _cut_of(name, group, column, cut) for name, group in groups.items()}}


def _cut_of(name: str, tables: list[Path], column: str, cut: Cut) -> dict[str, Any]:
    import polars as pl

    sample, documents = _sample(tables, column, cut.sample_documents)
    if not len(sample):
        where = "" if name == ALL else f" of source {name}"
        raise SystemExit(f"no document{where} has a {column}: there is nothing to take a percentile of")
    # What is held against the cut is a value less what its length excuses; so the percentile is of that as well.
    factor = allowance(cut.doubt, pl.col("tokens"))
    upper, lower = (sample.select(value).to_series() for value in (pl.col(column) / factor, pl.col(column) * factor))
    low = _rounded(math.floor, lower, cut.low_percentile) if cut.low_percentile is not None else cut.minimum
    if isinstance(cut, ScoreCut) and cut.budget is not None:
        low = least_of_best(sample[column], cut.budget * len(sample) / documents)
    return {
        "low": low,
        "high": _rounded(math.ceil, upper, cut.percentile) if cut.percentile is not None else cut.maximum,
        "doubt": cut.doubt,
        "records": len(sample),
        "percentiles": {str(share): round(sample[column].quantile(share / 100, "linear"), 6) for share in SHOWN},
    }


def least_of_best(values, wanted: float) -> float | None:
    """The value from which on about `wanted` of the ascending `values` stay: equal ones stay together, so it may be more. None: all."""
    place = len(values) - max(1, round(wanted))
    return values[place] if place > 0 else None


def _sample(tables: list[Path], column: str, size: int):
    """(A table of id, value and tokens, of how many documents with a value it is a sample); in memory at once: the sample and one shard."""
    import polars as pl

    documents = 0
    sample = pl.DataFrame(schema={"id": pl.String, column: pl.Float64, "tokens": pl.Float64})
    tokens = pl.col(TOKENS[column]) if column in TOKENS else pl.lit(None)
    wanted = ["id", column, *([TOKENS[column]] if column in TOKENS else [])]
    for table in followed(tables, f"calibrate: {column}", "shards", total=len(tables)):
        more = pl.read_parquet(table, columns=wanted).drop_nulls(column)
        more = more.select("id", pl.col(column).cast(pl.Float64), tokens.cast(pl.Float64).alias("tokens"))
        more = more.filter(pl.col(column).is_finite())
        documents += len(more)
        sample = pl.concat([sample, more]).unique("id", keep="first").bottom_k(size, by="id")
    return sample.sort(column, "id"), documents


def _rounded(direction, values, percentile: float) -> float:
    """To six decimals outwards, so that the document which the percentile names is not beyond its own cut."""
    return direction(values.quantile(percentile / 100, "linear") * 1_000_000) / 1_000_000
