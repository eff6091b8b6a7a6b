"""select_primary: the documents that become primary data; the others are kept aside, each with its reason."""

import argparse
from pathlib import Path

from kun.books.stage import Stage
from kun.books.tables import read_rows
from kun.roles.columns import PRIMARY
from kun.selection.cut import read_cut
from kun.selection.primary import reason_to_drop
from kun.settings.selection import Primary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--signals", type=Path, required=True)
    parser.add_argument("--duplicates", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--settings", type=Primary.model_validate_json, required=True, help="the primary section, as JSON")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    max_perplexity, measured = read_cut(arguments.calibration, arguments.signals, "perplexity")
    owners = {row["row"]: row["owner"] for row in read_rows(arguments.duplicates)}
    with Stage("select_primary", arguments.output, PRIMARY) as stage:
        stage.notes = {"max_perplexity": max_perplexity, "perplexity": measured}
        pairs = zip(read_rows(arguments.documents), read_rows(arguments.signals), strict=True)
        for place, (document, signals) in enumerate(pairs):
            stage.take()
            row = document | {"tokens": signals["tokens"], "perplexity": signals["perplexity"]}
            if reason := reason_to_drop(signals, arguments.settings, max_perplexity, owners.get(place)):
                stage.drop(row, *reason)
            else:
                stage.keep(row)


if __name__ == "__main__":
    main()
