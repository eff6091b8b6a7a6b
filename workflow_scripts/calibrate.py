"""calibrate: a cut as a number, computed once and pinned: records that come later are held against the same cut."""

import argparse
import json
import math
from pathlib import Path

from kun.books.tables import metadata_of
from kun.corpus.plan import ids_of_plan


def pooled_cut(tables: list[Path], column: str, percentile: float) -> dict[str, float | int | str]:
    """The percentile of a column over all tables, of how many records, and under which identity they were measured."""
    import polars as pl

    identities = sorted({metadata_of(path)[column] for path in tables})
    if len(identities) > 1:
        raise SystemExit(
            f"values of {column} under different identities cannot be pooled: {' and '.join(identities)}; make them again"
        )
    pooled = pl.concat([pl.scan_parquet(path).select(column) for path in tables]).drop_nulls().collect()[column]
    if not len(pooled):
        raise SystemExit(f"no record has a {column}: there is nothing to take a percentile of")
    return {"cut": _rounded_up(pooled.quantile(percentile / 100, "linear")), "records": len(pooled), "identity": identities[0]}


def _rounded_up(value: float) -> float:
    """To four decimals, so that the record which the percentile names is not above its own cut."""
    return math.ceil(value * 10_000) / 10_000


def existing_tables(folder: Path, shards: list[str]) -> list[Path]:
    """The shards' tables. New shards may not be there yet when a pinned cut is asked for again: that is said, not guessed."""
    tables = [folder / f"{shard}.parquet" for shard in shards]
    if missing := [str(path) for path in tables if not path.is_file()]:
        raise SystemExit(f"not made yet: {', '.join(missing[:5])}; run snakemake again, which makes them first")
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", required=True, help="the stage whose tables hold the values")
    parser.add_argument("--column", required=True, help="the values to cut: perplexity or score")
    parser.add_argument("--cut", type=json.loads, required=True, help="the cut itself, or null")
    parser.add_argument(
        "--percentile", type=json.loads, required=True, help="take the cut from the pooled records of all shards; or null"
    )
    parser.add_argument("--plan", type=Path, required=True, help="JSON: shard ids in plan order")
    parser.add_argument("--results", type=Path, required=True, help="folder that holds the stages' folders")
    parser.add_argument(
        "--output", type=Path, required=True, help="JSON: the cut (null for none), and the identity of the values it is for"
    )
    arguments = parser.parse_args()

    facts = {"cut": arguments.cut, "percentile": arguments.percentile, "records": None, "identity": None, "shards": []}
    if arguments.percentile is not None:
        shards = ids_of_plan(arguments.plan)
        tables = existing_tables(arguments.results / arguments.folder, shards)
        facts |= pooled_cut(tables, arguments.column, arguments.percentile) | {"shards": shards}
    arguments.output.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
