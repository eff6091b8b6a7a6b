"""gather_signals: what the search for duplicates looks at, in one line, so that no other job has thousands of inputs and of outputs at once.

Snakemake keeps the list of inputs with each output, and goes through it for each: with both, planning takes the square of the number of
shards. Ledgers name the content of their tables, so a line that is as before means that nothing is to be searched.
"""

import argparse
import json
from pathlib import Path

from kun.books.digests import digest
from kun.books.stage import ledger_path
from kun.corpus.plan import ids_of_plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plan", type=Path, required=True, help="the shard plan, in plan order")
    parser.add_argument("--results", type=Path, required=True, help="folder that holds the stages' folders")
    parser.add_argument("--folders", nargs="+", required=True, help="the stages whose tables are searched")
    parser.add_argument("--output", type=Path, required=True, help="JSON: how many shards, and a digest of all their ledgers")
    arguments = parser.parse_args()
    shards = ids_of_plan(arguments.plan)
    ledgers = (ledger_path(arguments.results / folder / f"{shard}.parquet") for shard in shards for folder in arguments.folders)
    content = digest(*shards, *(ledger.read_bytes() for ledger in ledgers))
    arguments.output.write_text(json.dumps({"shards": len(shards), "digest": content}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
