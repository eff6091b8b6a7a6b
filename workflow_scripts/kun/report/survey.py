"""A survey of one perplexity over all shards: how it is distributed, by source and by length, and the texts nearest to the cuts.

One walk over the tables; in memory are counts, and for each end of each cut the few texts that are nearest to it on either side.
"""

import heapq
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from kun.books.progress import followed
from kun.selection.columns import FOLDERS, TOKENS
from kun.selection.cut import Cuts
from kun.selection.primary import allowance

FINE = 16  # bins an octave: quantiles read off them are right to 4.4 %
LENGTHS = (0, 20, 50, 100, 200, 500, 1000)  # characters; where bands begin
SIDE = 10  # texts on either side of a cut
LONGEST = 400  # characters shown of a text


@dataclass
class Survey:
    """What is known of one column. Bins are numbered by floor(FINE · log2 value)."""

    cuts: Cuts
    by_source: dict[str, Counter] = field(default_factory=dict)  # source → bin → documents
    by_length: list[Counter] = field(default_factory=lambda: [Counter() for _ in LENGTHS])
    beyond: list[Counter] = field(default_factory=lambda: [Counter() for _ in LENGTHS])  # by length: low | high → documents
    beyond_by_source: dict[str, Counter] = field(default_factory=dict)
    gone: dict[str, Counter] = field(default_factory=dict)  # source → bin → documents beyond a cut
    tokens: list[int] = field(default_factory=lambda: [0 for _ in LENGTHS])  # by length, of all documents together
    without: int = 0  # documents that have no value
    near: dict[tuple[str, str], list] = field(default_factory=dict)  # (low | high, inside | outside) → heap, the farthest first

    def add(self, shard: str, values: pl.DataFrame) -> None:
        """Columns id, characters, value and tokens, of a shard's documents in order."""
        source = shard.split("/")[0]
        band = self.cuts.of(source)
        rows = values.with_row_index("row").filter(pl.col("value").is_finite().fill_null(False))
        self.without += len(values) - len(rows)
        rows = rows.with_columns(
            (FINE * pl.col("value").log(2)).floor().cast(pl.Int32).alias("bin"),
            (pl.col("characters").cut(list(LENGTHS[1:]), left_closed=True).to_physical()).alias("length"),
        )
        counts, gone = self.by_source.setdefault(source, Counter()), self.gone.setdefault(source, Counter())
        for number, length, count, tokens in rows.group_by("bin", "length").agg(pl.len(), pl.col("tokens").sum()).iter_rows():
            counts[number] += count
            self.by_length[length][number] += count
            self.tokens[length] += tokens
        factor = allowance(band.doubt, pl.col("tokens"))
        for end, cut, judged in (("low", band.low, pl.col("value") * factor), ("high", band.high, pl.col("value") / factor)):
            if cut is None:
                continue
            outside = judged < cut if end == "low" else judged > cut
            for number, count in rows.filter(outside).group_by("bin").len().iter_rows():
                gone[number] += count
            for length, count in rows.filter(outside).group_by("length").len().iter_rows():
                self.beyond[length][end] += count
                self.beyond_by_source.setdefault(source, Counter())[end] += count
            distances = rows.with_columns(((judged / max(cut, 1e-9)).log().abs()).alias("distance"))
            for side, condition in (("inside", ~outside), ("outside", outside)):
                nearest = distances.filter(condition).unique("id", keep="first").sort("distance", "id").head(SIDE)
                self._remember((end, side), shard, nearest)

    def _remember(self, place: tuple[str, str], shard: str, nearest: pl.DataFrame) -> None:
        known = {entry[1]: entry for entry in self.near.get(place, [])}  # a text that occurs twice is shown once
        for distance, name, row, value in nearest.select("distance", "id", "row", "value").iter_rows():
            known.setdefault(name, (distance, name, shard, row, value))
        self.near[place] = heapq.nsmallest(SIDE, known.values())

    def as_json(self, documents: Path) -> dict[str, Any]:
        """Everything, the texts among it, which are read from the `documents` folder."""
        lengths = [
            {
                "from": start,
                "documents": counts.total(),
                "tokens": round(tokens / counts.total()) if counts else None,  # on average
                "quantiles": {str(share): quantile(counts, share / 100) for share in (5, 25, 50, 75, 95)},
                "below": beyond["low"],
                "above": beyond["high"],
            }
            for start, counts, beyond, tokens in zip(LENGTHS, self.by_length, self.beyond, self.tokens, strict=True)
        ]
        return {
            "identity": self.cuts.identity,
            "cuts": {source: {"low": band.low, "high": band.high, "doubt": band.doubt} for source, band in self.cuts.bands.items()},
            "without": self.without,
            "sources": {
                source: {
                    "documents": counts.total(),
                    "below": self.beyond_by_source.get(source, Counter())["low"],
                    "above": self.beyond_by_source.get(source, Counter())["high"],
                    "bins": sorted(counts.items()),
                    "gone": sorted(self.gone[source].items()),
                }
                for source, counts in self.by_source.items()
            },
            "lengths": lengths,
            "texts": {
                f"{end} {side}": [_shown(entry, documents) for entry in sorted(found, key=lambda entry: (entry[4], entry[1]))]
                for (end, side), found in sorted(self.near.items())
            },
        }


def survey(cuts: Cuts, results: Path, shards: list[str]) -> Survey:
    """The survey of a column over all shards. Raises ForeignCut where a table's values are not those the cuts are for."""
    made = Survey(cuts)
    for shard in followed(shards, f"survey: {cuts.column}", "shards", total=len(shards)):
        table = results / FOLDERS[cuts.column] / f"{shard}.parquet"
        cuts.for_table(table, shard.split("/")[0])
        characters = pl.read_parquet(results / "signals" / f"{shard}.parquet", columns=["id", "characters"])
        values = pl.read_parquet(table, columns=[cuts.column, TOKENS[cuts.column]])
        values = values.select(pl.col(cuts.column).cast(pl.Float64).alias("value"), pl.col(TOKENS[cuts.column]).alias("tokens"))
        made.add(shard, pl.concat([characters, values], how="horizontal"))
    return made


def quantile(counts: Counter, share: float) -> float | None:
    """Read off the bins, at the middle of the one that holds it; None of nothing."""
    wanted, passed = share * counts.total(), 0
    for number, count in sorted(counts.items()):
        passed += count
        if passed >= wanted:
            return round(2 ** ((number + 0.5) / FINE), 2)
    return None


def _shown(entry: tuple, documents: Path) -> dict[str, Any]:
    _, _, shard, row, value = entry
    with pq.ParquetFile(documents / f"{shard}.parquet") as table:
        start = 0
        for batch in table.iter_batches(columns=["text", "locator"]):
            if row < start + len(batch):
                found = batch.take(pa.array([row - start])).to_pylist()[0]
                text = found["text"] if len(found["text"]) <= LONGEST else found["text"][:LONGEST] + "…"
                return {"value": value, "source": shard.split("/")[0], "locator": found["locator"], "text": text}
            start += len(batch)
    raise SystemExit(f"{documents / shard}.parquet has no row {row}; run snakemake again")
