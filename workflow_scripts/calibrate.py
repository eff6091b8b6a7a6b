"""calibrate: where a column is cut, as numbers, found once and pinned: records that come later are held against the same numbers.

What does not come from the corpus (a number, a reference's percentile, a precision on labelled records) needs no pin. Pins stand beside the
output, in a file that Snakemake does not know: for whatever reason it asks again, the answer is the same, until `snakemake recalibrate`.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from kun.books.digests import digest_of_value
from kun.corpus.plan import ids_of_plan
from kun.selection.calibration import cuts_of_tables
from kun.selection.columns import FOLDERS, sampled_shards
from kun.selection.cut import ALL, one_identity
from kun.selection.precision import FEW, cut_of_labels
from kun.settings.perplexity import Cut
from kun.settings.roles import ScoreCut


def by_number(cut: Cut) -> dict[str, Any]:
    known = {"low": cut.minimum, "high": cut.maximum, "doubt": cut.doubt, "records": None, "percentiles": {}}
    return {"identity": cut.identity, "cuts": {ALL: known}}


def by_reference(table: Path, column: str, cut: Cut) -> dict[str, Any]:
    """From a text that is not the corpus: the same whenever it is asked for, so there is nothing to pin."""
    return cuts_of_tables({f"{ALL}/reference": table}, column, cut)


def by_labels(table: Path, precision: float) -> dict[str, Any]:
    """From what people said of some records."""
    made = cut_of_labels(table, precision)
    cut = made["cuts"][ALL]
    doubt = "; that is few to rely on, so label more (docs/judge.md)" if cut["kept"] < FEW else ""
    print(
        f"calibrate: precision {cut['precision']:.3f} on {cut['kept']} of {cut['labelled']} labelled records{doubt}",
        file=sys.stderr,
    )
    return made


def by_sample(tables: dict[str, Path], column: str, cut: Cut, pins: dict[str, Any]) -> dict[str, Any]:
    """From the corpus itself; what `pins` holds stays, what it lacks is added to it."""
    key = digest_of_value([one_identity(list(tables.values()), column), cut.model_dump()])
    pinned = pins["found"].get(key, {"cuts": {}})
    if cut.percentile_of == "source":
        tables = {shard: table for shard, table in tables.items() if shard.split("/")[0] not in pinned["cuts"]}
    if not tables or ALL in pinned["cuts"]:
        return pinned
    found = cuts_of_tables(tables, column, cut)
    found["cuts"] = dict(sorted((pinned["cuts"] | found["cuts"]).items()))
    pins["found"][key] = found
    return found


def in_words(made: dict[str, Any]) -> str:
    return "; ".join(
        ("" if source == ALL else f"{source} ") + _band(cut["low"], cut["high"]) for source, cut in made["cuts"].items()
    )


def _band(low: float | None, high: float | None) -> str:
    ends = [f"from {low:g}" if low is not None else "", f"up to {high:g}" if high is not None else ""]
    return " ".join(filter(None, ends)) or "any"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--column", choices=FOLDERS, required=True, help="the values to cut")
    parser.add_argument("--cut", required=True, help="a section `cut`, as JSON; of the score, what its section says about the cut")
    parser.add_argument("--reference", type=Path, help="Parquet of the reference's values, where percentiles are taken of files")
    parser.add_argument("--labelled", type=Path, help="Parquet of scores beside people's labels, where a precision is asked for")
    parser.add_argument("--plan", type=Path, required=True, help="JSON: shard ids in plan order")
    parser.add_argument("--results", type=Path, required=True, help="folder that holds the stages' folders")
    parser.add_argument("--again", action="store_true", help="forget what is pinned, and draw from all shards")
    parser.add_argument("--output", type=Path, required=True, help="JSON: the cuts, and the identity of the values they are for")
    arguments = parser.parse_args()
    column, output = arguments.column, arguments.output
    cut = (ScoreCut if column == "score" else Cut).model_validate_json(arguments.cut)

    shards: list[str] = []
    if isinstance(cut, ScoreCut) and cut.precision is not None:
        made = by_labels(arguments.labelled, cut.precision)
    elif not cut.by_percentile():
        made = by_number(cut)
    elif cut.files():
        made = by_reference(arguments.reference, column, cut)
    else:
        pin_file = output.parent / "pins" / output.name
        pins = {"shards": [], "found": {}}
        if pin_file.is_file() and not arguments.again:
            pins = json.loads(pin_file.read_text(encoding="utf-8"))
        shards = sampled_shards(pins["shards"], ids_of_plan(arguments.plan), cut.percentile_of == "source")
        tables = {shard: arguments.results / FOLDERS[column] / f"{shard}.parquet" for shard in shards}
        made = by_sample(tables, column, cut, pins)
        pins["shards"] = list(dict.fromkeys([*pins["shards"], *shards]))
        write(pin_file, pins)
    before = f"{in_words(json.loads(output.read_text(encoding='utf-8')))} → " if output.is_file() else ""
    print(f"calibrate: {column} {before}{in_words(made)}", file=sys.stderr)
    write(output, {"column": column, "settings": cut.model_dump(), **made, "shards": shards})


def write(path: Path, value: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.rename(path)


if __name__ == "__main__":
    main()
