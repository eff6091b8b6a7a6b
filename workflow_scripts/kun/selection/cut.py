"""A pinned cut, as calibrate wrote it, and the refusal to hold values of another identity against it."""

import json
from pathlib import Path

from kun.books.tables import metadata_of


class ForeignCut(SystemExit):
    """The cut was made from values of another model or normal form than the table holds. Ends a program with a message naming both."""


def read_cut(calibration: Path, table: Path, column: str) -> tuple[float | None, str]:
    """(the cut or None for none, the identity of the table's values in `column`). Raises ForeignCut."""
    pinned = json.loads(calibration.read_text(encoding="utf-8"))
    identity = metadata_of(table)[column]
    if pinned["identity"] not in (None, identity):
        raise ForeignCut(
            f"the cut was calibrated for a {column} of {pinned['identity']}, but {table} holds that of {identity}; "
            f"remove {calibration} and run snakemake again"
        )
    return pinned["cut"], identity
