"""Exact duplicates across all shards: the first document in plan order owns a text.

Plan order means sources as the configuration lists them, then files in natural order, then place in the file: a shard that sorts
later never takes a text from an earlier one. The owner is chosen before any threshold: where its spacing or punctuation alone makes it
too long, its cleaner copies go with it, and each names it in its reason.
"""

from pathlib import Path

import polars as pl
import pyarrow as pa

SCHEMA = pa.schema([("row", pa.int64()), ("owner", pa.string())])  # row: place in the shard; owner: locator of the first copy


def find_duplicates(shards: list[tuple[str, Path, Path]]) -> pl.DataFrame:
    """Every document that is not its text's first: columns shard, row, owner. `shards`: (id, signals, documents) in plan order.

    Held in memory: 16 bytes of fingerprint and two numbers for each document, 10 million of them in about 0.5 GB.
    """
    columns = pl.concat(
        [
            pl.scan_parquet(signals)
            .select(pl.col("fingerprint").str.decode("hex"))
            .with_row_index("row")
            .with_columns(pl.lit(number, dtype=pl.UInt32).alias("shard"))
            for number, (_, signals, _) in enumerate(shards)
        ]
    ).collect()
    first = columns.group_by("fingerprint", maintain_order=True).first().rename({"shard": "owner_shard", "row": "owner_row"})
    later = columns.join(first, on="fingerprint", how="left", maintain_order="left").filter(
        (pl.col("shard") != pl.col("owner_shard")) | (pl.col("row") != pl.col("owner_row"))
    )
    return _with_locators(later, shards)


def _with_locators(later: pl.DataFrame, shards: list[tuple[str, Path, Path]]) -> pl.DataFrame:
    """Names in place of numbers; only the owners' shards are opened again."""
    names = pl.DataFrame(
        {"shard": range(len(shards)), "name": [shard for shard, _, _ in shards]}, schema={"shard": pl.UInt32, "name": pl.String}
    )
    owners = [
        pl.scan_parquet(shards[number][2])
        .select(pl.concat_str(pl.lit(shards[number][0].split("/")[0] + ":"), "locator").alias("owner"))
        .with_row_index("owner_row")
        .with_columns(pl.lit(number, dtype=pl.UInt32).alias("owner_shard"))
        for number in sorted(set(later["owner_shard"]))
    ]
    if not owners:
        return pl.DataFrame(schema={"shard": pl.String, "row": pl.UInt32, "owner": pl.String})
    joined = later.join(pl.concat(owners).collect(), on=["owner_shard", "owner_row"], how="left", maintain_order="left")
    return joined.join(names, on="shard", how="left", maintain_order="left").select(pl.col("name").alias("shard"), "row", "owner")
