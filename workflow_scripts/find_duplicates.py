"""find_duplicates: for every shard, which of its documents are copies of an earlier one, exact or near, and of which."""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl

from kun.books.tables import TableWriter
from kun.corpus.plan import ids_of_plan
from kun.selection.cut import read_cut
from kun.selection.duplicates import SCHEMA, find_duplicates
from kun.selection.primary import COLUMNS, with_reasons
from kun.settings.selection import Duplicates, Primary


def passing(signals: Path, calibration: Path, settings: Primary) -> np.ndarray:
    """For each document of a signals table, whether it would be primary data if it were nobody's duplicate."""
    max_perplexity, _ = read_cut(calibration, signals, "perplexity")
    reasons = with_reasons(pl.read_parquet(signals, columns=list(COLUMNS)), settings, max_perplexity)
    return reasons["reason"].is_null().to_numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="the shard plan, in plan order")
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--settings", type=Duplicates.model_validate_json, required=True, help="the duplicates section, as JSON")
    parser.add_argument("--primary", type=Primary.model_validate_json, required=True, help="the primary section, as JSON")
    parser.add_argument("--results", type=Path, required=True, help="folder that holds the stages' folders")
    parser.add_argument("--summary", type=Path, required=True, help="JSON: how many documents are copies of others")
    arguments = parser.parse_args()

    results = arguments.results
    shards = [
        (shard, results / "signals" / f"{shard}.parquet", results / "documents" / f"{shard}.parquet")
        for shard in ids_of_plan(arguments.plan)
    ]

    def eligible(signals: Path) -> np.ndarray:
        return passing(signals, arguments.calibration, arguments.primary)

    found: Counter[str] = Counter()
    for shard, copies in find_duplicates(shards, arguments.settings, eligible):
        writer = TableWriter(results / "duplicates" / f"{shard}.parquet", SCHEMA)
        for row in copies.to_pylist():
            writer.add(row)
            found[row["kind"]] += 1
        writer.close()
        # Small, so that Snakemake compares its content: shards whose copies are the same as before are left alone.
        (results / "duplicates" / f"{shard}.digest").write_text(writer.digest + "\n")
    arguments.summary.write_text(json.dumps(dict(sorted(found.items()))) + "\n")


if __name__ == "__main__":
    main()
