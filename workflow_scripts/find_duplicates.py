"""find_duplicates: for every shard, which of its documents are copies of an earlier one, and of which."""

import argparse
from pathlib import Path

import orjson

from kun.books.progress import followed
from kun.books.tables import TableWriter
from kun.selection.duplicates import SCHEMA, find_duplicates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="JSON: shard ids (source/name) in plan order")
    parser.add_argument("--results", type=Path, required=True, help="folder that holds the stages' folders")
    arguments = parser.parse_args()

    plan, results = orjson.loads(arguments.plan.read_bytes()), arguments.results
    copies = find_duplicates(
        [(shard, results / "signals" / f"{shard}.parquet", results / "documents" / f"{shard}.parquet") for shard in plan]
    )
    by_shard = copies.partition_by("shard", as_dict=True, include_key=False)
    for shard in followed(plan, "find_duplicates", "shards", total=len(plan)):
        writer = TableWriter(results / "duplicates" / f"{shard}.parquet", SCHEMA)
        for row in by_shard[(shard,)].iter_rows(named=True) if (shard,) in by_shard else ():
            writer.add(row)
        writer.close()
        # Small, so that Snakemake compares its content: shards whose copies are the same as before are left alone.
        (results / "duplicates" / f"{shard}.digest").write_text(writer.digest + "\n")


if __name__ == "__main__":
    main()
