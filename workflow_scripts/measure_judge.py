"""measure_judge: how good the judge is on what people judged: by itself, or with --calibration at the cut. Asks no model anything."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from kun.report.judge import Judged, at_cut, measures
from kun.selection.cut import ALL, Cuts
from kun.settings.roles import Judging


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scores", type=Path, required=True, help="Parquet of calibrate_judge, its ledger beside it")
    parser.add_argument("--settings", type=Judging.model_validate_json, required=True, help="how it is judged, as JSON")
    parser.add_argument("--calibration", type=Path, help="JSON: where scores are cut; the figures are then those at the cut")
    parser.add_argument("--output", type=Path, required=True, help="JSON of the figures")
    arguments = parser.parse_args()

    values = arguments.settings.worth().values()
    judged = Judged.read(arguments.scores, min(values), max(values))
    if arguments.calibration:
        found = at_cut(judged, Cuts.read(arguments.calibration).for_table(arguments.scores, ALL).low)
        print(f"the judge at its cut: {cut_in_words(found)}", file=sys.stderr)
    else:
        found = measures(judged)
        print(f"the judge: {in_words(found)}", file=sys.stderr)
    arguments.output.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def in_words(found: dict[str, Any]) -> str:
    return (
        f"{found['good']} good and {found['bad']} bad records, ROC-AUC {found['roc_auc']:.3f}, average precision "
        f"{found['average_precision']:.3f}, calibration error {found['ece']:.3f}, mass outside {found['outside']['median']:.3f} (median)"
    )


def cut_in_words(found: dict[str, Any]) -> str:
    kept = f"{found['kept']} of {found['n']} kept"
    if found["threshold"] is not None:
        kept = f"from {found['threshold']:g}, {kept}"
    shares = [f"{name} {found[name]:.3f}" for name in ("precision", "recall", "accuracy", "alpha") if found[name] is not None]
    return ", ".join([kept, *shares])


if __name__ == "__main__":
    main()
