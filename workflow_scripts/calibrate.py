"""calibrate: the perplexity cut as a number, computed once and pinned: documents that come later are held against the same cut."""

import argparse
import json
from pathlib import Path

from kun.books.tables import metadata_of


def pooled_cut(signals: list[Path], percentile: float) -> dict[str, float | int | str]:
    """The percentile of all documents' perplexities, how many they are, and under which identity they were measured."""
    import polars as pl

    identities = sorted({metadata_of(path)["perplexity"] for path in signals})
    if len(identities) > 1:
        raise SystemExit(
            f"perplexities of different identity cannot be pooled: {' and '.join(identities)}; measure the shards again"
        )
    pooled = pl.concat([pl.scan_parquet(path).select("perplexity") for path in signals]).drop_nulls().collect()["perplexity"]
    if not len(pooled):
        raise SystemExit("no document has a perplexity: there is nothing to take a percentile of")
    return {
        "max_perplexity": round(pooled.quantile(percentile / 100, "linear"), 2),
        "documents": len(pooled),
        "identity": identities[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    cut = parser.add_mutually_exclusive_group(required=True)
    cut.add_argument("--maximum", type=float, help="the cut itself")
    cut.add_argument("--percentile", type=float, help="take the cut from the pooled documents of all shards")
    parser.add_argument("--plan", type=Path, required=True, help="JSON: shard ids in plan order")
    parser.add_argument("--results", type=Path, required=True, help="folder that holds the stages' folders")
    parser.add_argument("--output", type=Path, required=True, help="JSON: the cut, and the identity of the values it is for")
    arguments = parser.parse_args()
    facts = {"max_perplexity": arguments.maximum, "percentile": arguments.percentile, "documents": None, "identity": None}
    if arguments.percentile is not None:
        signals = [
            arguments.results / "signals" / f"{shard}.parquet" for shard in json.loads(arguments.plan.read_text(encoding="utf-8"))
        ]
        facts |= pooled_cut(signals, arguments.percentile)
    arguments.output.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
