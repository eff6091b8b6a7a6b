"""select_primary: the documents that become primary data; the others are kept aside, each with its reason."""

import argparse
import json
from pathlib import Path

from kun.books.stage import Stage
from kun.books.tables import metadata_of, read_rows
from kun.roles.columns import PRIMARY
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

    calibration = json.loads(arguments.calibration.read_text(encoding="utf-8"))
    measured = metadata_of(arguments.signals)["perplexity"]
    if calibration["identity"] not in (None, measured):
        raise SystemExit(
            f"the cut was calibrated for perplexities of {calibration['identity']}, but {arguments.signals} holds those of {measured}; "
            "remove the calibration file and run snakemake again"
        )
    owners = {row["row"]: row["owner"] for row in read_rows(arguments.duplicates)}
    with Stage("select_primary", arguments.output, PRIMARY) as stage:
        stage.notes = {"max_perplexity": calibration["cut"], "perplexity": measured}
        pairs = zip(read_rows(arguments.documents), read_rows(arguments.signals), strict=True)
        for place, (document, signals) in enumerate(pairs):
            stage.take()
            row = document | {"tokens": signals["tokens"], "perplexity": signals["perplexity"]}
            if reason := reason_to_drop(signals, arguments.settings, calibration["cut"], owners.get(place)):
                stage.drop(row, *reason)
            else:
                stage.keep(row)


if __name__ == "__main__":
    main()
