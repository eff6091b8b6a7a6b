"""find_duplicates: for every shard, which of its documents are copies of an earlier one, exact or near, and of which."""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np

from kun.books.tables import TableWriter
from kun.corpus.plan import ids_of_plan
from kun.selection.columns import FOLDERS
from kun.selection.cut import Cuts
from kun.selection.duplicates import SCHEMA, find_duplicates
from kun.selection.measured import bands_of, read_measured
from kun.selection.primary import with_reasons
from kun.settings.selection import Duplicates, Primary


def passing(results: Path, shard: str, cuts: list[Cuts], settings: Primary) -> np.ndarray:
    """For each document of a shard, whether it would be primary data if it were nobody's duplicate."""
    import polars as pl

    tables = {column: results / folder / f"{shard}.parquet" for column, folder in FOLDERS.items()}
    bands = bands_of(cuts, tables, shard.split("/")[0])
    causal = tables["causal_perplexity"] if "causal_perplexity" in bands else None
    passes = [
        with_reasons(pl.DataFrame(batch), settings, bands)["reason"].is_null().to_numpy()
        for batch in read_measured(tables["perplexity"], causal)
    ]
    return np.concatenate([np.empty(0, dtype=bool), *passes])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="the shard plan, in plan order")
    parser.add_argument("--calibration", type=Path, nargs="*", default=[], help="the cuts of each perplexity that is measured")
    parser.add_argument("--settings", type=Duplicates.model_validate_json, required=True, help="the duplicates section, as JSON")
    parser.add_argument("--primary", type=Primary.model_validate_json, required=True, help="the primary section, as JSON")
    parser.add_argument("--results", type=Path, required=True, help="folder that holds the stages' folders")
    parser.add_argument("--copies", type=Path, required=True, help="folder for a table and its digest, for each shard")
    parser.add_argument("--summary", type=Path, required=True, help="JSON: how many documents are copies of others")
    arguments = parser.parse_args()

    results = arguments.results
    shards = [
        (shard, results / "signals" / f"{shard}.parquet", results / "documents" / f"{shard}.parquet")
        for shard in ids_of_plan(arguments.plan)
    ]

    cuts = [Cuts.read(path) for path in arguments.calibration]

    def eligible(shard: str) -> np.ndarray:
        return passing(results, shard, cuts, arguments.primary)

    found: Counter[str] = Counter()
    for shard, copies in find_duplicates(shards, arguments.settings, eligible):
        writer = TableWriter(arguments.copies / f"{shard}.parquet", SCHEMA)
        for row in copies.to_pylist():
            writer.add(row)
            found[row["kind"]] += 1
        writer.close()
        # Small, so that Snakemake compares its content: shards whose copies are the same as before are left alone.
        (arguments.copies / f"{shard}.digest").write_text(writer.digest + "\n")
    arguments.summary.write_text(json.dumps(dict(sorted(found.items()))) + "\n")


if __name__ == "__main__":
    main()
