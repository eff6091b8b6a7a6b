"""survey_perplexity: how each perplexity is distributed, where it is cut, and what stands on either side; as data and as a page."""

import argparse
import json
from pathlib import Path

from kun.corpus.plan import ids_of_plan
from kun.report.pages import page
from kun.report.perplexity_picture import picture
from kun.report.survey import survey
from kun.selection.cut import Cuts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="JSON: shard ids in plan order")
    parser.add_argument("--results", type=Path, required=True, help="folder that holds the stages' folders")
    parser.add_argument("--calibrations", type=Path, nargs="*", default=[], help="the cuts of each perplexity that is measured")
    parser.add_argument("--name", required=True, help="the dataset's name")
    parser.add_argument("--survey", type=Path, required=True, help="JSON: counts by source and length, texts about the cuts")
    parser.add_argument("--page", type=Path, required=True, help="HTML: the same to look at")
    arguments = parser.parse_args()

    shards, found = ids_of_plan(arguments.plan), {}
    for path in arguments.calibrations:
        cuts = Cuts.read(path)
        found[cuts.column] = survey(cuts, arguments.results, shards).as_json(arguments.results / "documents")
    arguments.survey.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    pictures = [picture(column, surveyed) for column, surveyed in found.items()]
    arguments.page.write_text(page("survey.html.jinja", name=arguments.name, pictures=pictures), encoding="utf-8")


if __name__ == "__main__":
    main()
