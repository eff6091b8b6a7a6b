"""read_labels: what people said of instructions, checked and as one table, for the judge to be asked about and measured on."""

import argparse
from pathlib import Path

from kun.books.stage import Stage
from kun.roles.labels import LABELS, read_labels
from kun.roles.score import SHOWN


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=Path, nargs="+", required=True, help="JSON lines: instruction, good, and kind, output")
    parser.add_argument(
        "--target", choices=SHOWN, required=True, help="what is judged: an instruction, or a pair of it and its answer"
    )
    parser.add_argument("--output", type=Path, required=True, help="Parquet of the labelled records")
    arguments = parser.parse_args()

    with Stage("read_labels", arguments.output, LABELS) as stage:
        for row in read_labels(arguments.files, arguments.target):
            stage.take()
            stage.keep(row)


if __name__ == "__main__":
    main()
