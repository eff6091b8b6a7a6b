"""Cuts from percentiles: which documents are the sample, and where a percentile lies in it.

A sample holds the documents whose ids sort first. An id is a digest of the content, so the choice is as good as chance, equal texts
count once, and neither shards nor their order matter. It is drawn from the shards that were there when the cut was first made: those
that come later do not move it.
"""

import math
from pathlib import Path
from typing import Any

from kun.books.progress import followed
from kun.selection.cut import ALL, one_identity
from kun.settings.perplexity import Cut

SHOWN = (1, 5, 10, 25, 50, 75, 80, 90, 95, 99)  # percentiles written down beside the cut, for people


def sampled_shards(pinned: list[str], plan: list[str], by_source: bool) -> list[str]:
    """The shards to draw from: the pinned ones that are still there, or all of the plan where none is.

    By source, those of a source that has no pinned one come along: it gets a cut of its own and moves none.
    """
    left = [shard for shard in plan if shard in set(pinned)]
    if not left:
        return plan
    if not by_source:
        return left
    known = {shard.split("/")[0] for shard in left}
    return [shard for shard in plan if shard in set(left) or shard.split("/")[0] not in known]


def cuts_of_tables(tables: dict[str, Path], column: str, cut: Cut) -> dict[str, Any]:
    """{identity, cuts: {source or ALL: {low, high, records, percentiles}}} from tables of values, by shard. Raises ForeignCut."""
    by_source = cut.percentile_of == "source"
    identity = one_identity(list(tables.values()), column)
    groups: dict[str, list[Path]] = {}
    for shard, table in tables.items():
        groups.setdefault(shard.split("/")[0] if by_source else ALL, []).append(table)
    return {"identity": identity, "cuts": {name: _cut_of(name, group, column, cut) for name, group in groups.items()}}


def _cut_of(name: str, tables: list[Path], column: str, cut: Cut) -> dict[str, Any]:
    values = _sample(tables, column, cut.sample_documents)[column]
    if not len(values):
        where = "" if name == ALL else f" of source {name}"
        raise SystemExit(f"no document{where} has a {column}: there is nothing to take a percentile of")
    return {
        "low": _rounded(math.floor, values, cut.low_percentile) if cut.low_percentile is not None else cut.minimum,
        "high": _rounded(math.ceil, values, cut.percentile) if cut.percentile is not None else cut.maximum,
        "records": len(values),
        "percentiles": {str(share): round(values.quantile(share / 100, "linear"), 6) for share in SHOWN},
    }


def _sample(tables: list[Path], column: str, size: int):
    """A table of id and value, of the documents that have a value; in memory at once: the sample and one shard."""
    import polars as pl

    sample = pl.DataFrame(schema={"id": pl.String, column: pl.Float64})
    for table in followed(tables, f"calibrate: {column}", "shards", total=len(tables)):
        more = pl.read_parquet(table, columns=["id", column]).with_columns(pl.col(column).cast(pl.Float64)).drop_nulls(column)
        sample = pl.concat([sample, more.filter(pl.col(column).is_finite())]).unique("id", keep="first").bottom_k(size, by="id")
    return sample.sort(column, "id")


def _rounded(direction, values, percentile: float) -> float:
    """To six decimals outwards, so that the document which the percentile names is not beyond its own cut."""
    return direction(values.quantile(percentile / 100, "linear") * 1_000_000) / 1_000_000
