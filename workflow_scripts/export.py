"""export: the dataset in the formats that training programs load, and its card."""

import argparse
import json
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import kun.dataset
from kun.books.tables import read_rows
from kun.corpus.plan import ids_of_plan
from kun.dataset.formats import dataset_info, write_alpaca, write_messages
from kun.report.funnel import read_funnel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=Path, required=True, help="the assembled table; the other files go beside it")
    parser.add_argument("--plan", type=Path, required=True, help="JSON: shard ids in plan order")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--round", type=int, default=1, help="whose dataset it is")
    parser.add_argument("--models", type=json.loads, required=True, help="JSON: role → the model's description")
    parser.add_argument(
        "--facts", type=json.loads, required=True, help="JSON: name, licence, formats of the sources, and facts for the card"
    )
    arguments = parser.parse_args()

    folder = arguments.pairs.parent
    write_alpaca(read_rows(arguments.pairs, ["instruction", "output"]), folder / "alpaca.json")
    write_messages(read_rows(arguments.pairs, ["instruction", "output"]), folder / "messages.jsonl")
    (folder / "dataset_info.json").write_text(
        dataset_info(arguments.facts["name"], "alpaca.json", "messages.jsonl"), encoding="utf-8"
    )

    funnel = read_funnel(arguments.results, ids_of_plan(arguments.plan), arguments.round)
    models = {role: json.loads(Path(path).read_text(encoding="utf-8")) for role, path in arguments.models.items()}
    facts = arguments.facts["facts"] | {
        f"{role} model": f"{model['path']}, fingerprint {model['fingerprint']}" for role, model in models.items()
    }
    templates = Environment(loader=FileSystemLoader(Path(kun.dataset.__file__).parent), undefined=StrictUndefined)
    card = templates.get_template("card.md.jinja").render(
        name=arguments.facts["name"],
        licence=arguments.facts["licence"],
        pairs=funnel.pairs,
        size=size_category(funnel.pairs),
        sources=[
            {
                "name": name,
                "format": kind,
                "raw": rows["documents"].came_in,
                "primary": rows["primary"].kept,
                "pairs": rows["pairs"].kept,
            }
            for name, kind in arguments.facts["sources"].items()
            for rows in [funnel.by_source[name]]
        ],
        facts=facts.items(),
        funnel=" → ".join(f"{step.kept} {step.title}" for step in funnel.steps),
    )
    (folder / "README.md").write_text(card, encoding="utf-8")


def size_category(count: int) -> str:
    """The hub's word for a dataset's size."""
    for limit, word in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if count < limit:
            return word
    return "n>1M"


if __name__ == "__main__":
    main()
