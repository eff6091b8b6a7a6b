"""survey_seed: what the seed files held, what was kept and dropped of it and why; as data and as a page."""

import argparse
import json
from pathlib import Path

from kun.report.pages import page
from kun.report.seed_survey import survey


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, required=True, help="the pairs, by prepare_seed; those dropped lie beside them")
    parser.add_argument("--files", nargs="+", required=True, help="the seed files, in the configuration's order")
    parser.add_argument("--samples", type=int, default=10, help="pairs shown of the kept, and of each reason")
    parser.add_argument("--name", required=True, help="the dataset's name")
    parser.add_argument(
        "--survey", type=Path, required=True, help="JSON: counts by file, format, reason, length, language; samples"
    )
    parser.add_argument("--page", type=Path, required=True, help="HTML: the same to look at")
    arguments = parser.parse_args()

    found = survey(arguments.pairs, arguments.files, arguments.samples)
    arguments.survey.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    arguments.page.write_text(page("seed.html.jinja", name=arguments.name, found=found), encoding="utf-8")


if __name__ == "__main__":
    main()
