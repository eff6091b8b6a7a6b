"""assemble: the pairs of all shards as one table in plan order; of equal instructions the first stays. Checks every shard's books on the way."""

import argparse
from pathlib import Path

from kun.books.digests import digest
from kun.books.ledger import CHAIN, Ledger, check_chain
from kun.books.progress import followed
from kun.books.rounds import folder_of_stage
from kun.books.stage import Stage, ledger_path
from kun.books.tables import metadata_of, read_rows
from kun.corpus.normalise import bare
from kun.corpus.plan import ids_of_plan
from kun.roles.columns import PAIR
from kun.selection.cut import one_identity


def identities_of(results: Path, shards: list[str]) -> dict[str, str]:
    """Under which identity each perplexity was measured. Raises ForeignCut where two shards differ."""
    tables = [results / "primary" / f"{shard}.parquet" for shard in shards]
    return {column: one_identity(tables, column) for column in metadata_of(tables[0])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="JSON: shard ids (source/name) in plan order")
    parser.add_argument("--results", type=Path, required=True, help="folder that holds the stages' folders")
    parser.add_argument("--round", type=int, default=1, help="whose pairs")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    folders = {stage: folder_of_stage(arguments.results, stage, arguments.round) for stage in CHAIN}
    shards = ids_of_plan(arguments.plan)
    seen: dict[str, str] = {}  # bare instruction -> id of its first pair
    identities = identities_of(arguments.results, shards)
    with Stage("assemble", arguments.output, PAIR, identities) as stage:
        # Whoever reads the shards' ledgers asks for this one, which changes where one of theirs does.
        ledgers = digest(*(ledger_path(folders["pairs"] / f"{shard}.parquet").read_bytes() for shard in shards))
        stage.notes = {"identities": identities, "ledgers": ledgers}
        for shard in followed(shards, "assemble", "shards", total=len(shards)):
            check_chain(shard, {stage: Ledger.read(ledger_path(folder / f"{shard}.parquet")) for stage, folder in folders.items()})
            source, name = shard.split("/")
            for row in read_rows(folders["pairs"] / f"{shard}.parquet"):
                stage.take()
                row |= {"source": source, "shard": name}
                first = seen.setdefault(bare(row["instruction"]), row["id"])
                if first == row["id"]:
                    stage.keep(row)
                else:
                    stage.drop(row, "duplicate_instruction", f"of {first}")


if __name__ == "__main__":
    main()
