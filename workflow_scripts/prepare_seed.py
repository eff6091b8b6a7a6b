"""prepare_seed: seed pair files to one checked table with a held-out part, dropping what cannot be used, with reasons."""

import argparse
from pathlib import Path

from kun.books.stage import Stage
from kun.corpus.normalise import bare
from kun.settings.training import Seed
from kun.training.seed import SCHEMA, BadPair, read_pairs, to_pair


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Seed.model_validate_json, required=True, help="the seed section, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="Parquet of pairs")
    arguments = parser.parse_args()

    seen: dict[str, str] = {}  # bare instruction -> locator of its first pair
    with Stage("prepare_seed", arguments.output, SCHEMA) as stage:
        for file in arguments.settings.files:
            for locator, value in read_pairs(Path(file)):
                stage.take()
                try:
                    pair = to_pair(locator, value, arguments.settings.held_out)
                except BadPair as bad:
                    stage.fail({"id": "", "locator": locator, "value": value}, str(bad))
                    continue
                if first := seen.get(bare(pair["instruction"])):
                    stage.drop(pair, "duplicate", f"of {first}")
                else:
                    seen[bare(pair["instruction"])] = locator
                    stage.keep(pair)
    if not stage.keeps.count:
        reasons = ", ".join(f"{reason} {count}" for reason, count in (stage.reasons["dropped"] + stage.reasons["failed"]).items())
        raise SystemExit(f"seed.files: no usable pair in {', '.join(arguments.settings.files)} ({reasons or 'no lines'})")


if __name__ == "__main__":
    main()
