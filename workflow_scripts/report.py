"""report: one page that shows where the records went, how good the judge is, how the models were trained, and some of the pairs."""

import argparse
import heapq
import json
from pathlib import Path
from typing import Any

from kun.books.rounds import folder_of_round
from kun.books.tables import Row, read_rows
from kun.corpus.plan import ids_of_plan
from kun.planning.speeds import as_yaml, measured, read_table
from kun.report.checks import read_checks
from kun.report.funnel import read_funnel
from kun.report.judge_picture import picture as judge_picture
from kun.report.pages import page
from kun.report.perplexity_picture import picture
from kun.report.rounds import read_rounds
from kun.report.used import used_and_planned
from kun.selection.cut import ALL


def samples(pairs: Path, count: int) -> list[Row]:
    """The pairs whose ids sort first: a choice by content, the same in every run."""
    columns = ["id", "source", "locator", "text", "instruction", "output", "score", "perplexity", "causal_perplexity"]
    return heapq.nsmallest(count, read_rows(pairs, columns), key=lambda row: row["id"])


def curve(title: str, trained: dict[str, Any], points: Path) -> dict[str, Any]:
    """A training's loss (train_model.py's curve) as points of a 400 × 150 picture."""
    losses = [json.loads(line)["loss"] for line in points.read_text(encoding="utf-8").splitlines()]
    low, high = min(losses), max(losses)
    width = 400 / max(1, len(losses) - 1)
    line = " ".join(
        f"{place * width:.1f},{145 - 140 * (loss - low) / ((high - low) or 1):.1f}" for place, loss in enumerate(losses)
    )
    before, after = trained["held_out"]["before"], trained["held_out"]["after"]
    words = f"{trained['pairs']} pairs, {trained['epochs']:g} epochs, {trained['steps']} steps, learning rate {trained['learning_rate']:g}"
    if before["nll"] is not None and after["nll"] is not None:
        words += f"; {after['pairs']} held-out pairs: {before['nll']:.3f} → {after['nll']:.3f} nats a token"
    if before["gap"] is not None and after["gap"] is not None:
        words += f"; likelier after their own text than after another's by {before['gap']:.3f} → {after['gap']:.3f}"
    return {"title": title, "words": words, "points": line, "top": f"{high:.2f}", "bottom": f"{low:.2f}"}


def _cuts(made: dict[str, Any]) -> str:
    """A pinned cut in words."""
    asked, words = made["settings"], []
    for source, cut in made["cuts"].items():
        ends = [
            f"{word} {cut[end]:g}" + (f" (percentile {asked[percentile]:g})" if asked[percentile] is not None else "")
            for end, word, percentile in (("low", "at least", "low_percentile"), ("high", "at most", "percentile"))
            if cut[end] is not None
        ]
        words.append(("" if source == ALL else f"{source}: ") + (" and ".join(ends) or "none") + _wanted(asked) + _sample(cut))
    return "; ".join(words) + (f" · {made['identity']}" if made["identity"] else "")


def _wanted(asked: dict[str, Any]) -> str:
    """What only a cut of scores can be found by."""
    if asked.get("precision") is not None:
        return f" (precision {asked['precision']:g} by the labelled set)"
    return f" (about {asked['budget']} wanted)" if asked.get("budget") is not None else ""


def _sample(cut: dict[str, Any]) -> str:
    return f" of {cut['records']} documents" if cut["records"] else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, help="JSON: shard ids in plan order")
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument(
        "--round", type=int, default=1, help="which round it reports on; a later one is held beside those before it"
    )
    parser.add_argument("--calibrations", type=Path, nargs="+", required=True, help="the cuts of each column that is cut")
    parser.add_argument("--survey", type=Path, required=True, help="JSON of survey_perplexity")
    parser.add_argument("--judge", type=Path, nargs=2, help="JSON of measure_judge: the judge's figures, and those at the cut")
    parser.add_argument("--models", type=json.loads, required=True, help="JSON: role → the model's description")
    parser.add_argument("--facts", type=json.loads, required=True, help="JSON: name, number of samples, facts to show")
    parser.add_argument(
        "--speeds", type=Path, nargs="+", required=True, help="tables of speeds, which say how reading is to writing"
    )
    parser.add_argument("--trains-on", required=True, help="the device of training, where a model does not note it")
    parser.add_argument("--measured-speeds", type=Path, required=True, help="YAML to write: the speeds of this run's jobs")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    shards = ids_of_plan(arguments.plan)
    of_round = arguments.results / folder_of_round(arguments.round)
    funnel = read_funnel(arguments.results, shards, arguments.round)
    models = {role: json.loads(Path(path).read_text(encoding="utf-8")) for role, path in arguments.models.items()}
    cuts = [json.loads(path.read_text(encoding="utf-8")) for path in arguments.calibrations]
    judge = [json.loads(path.read_text(encoding="utf-8")) for path in arguments.judge or []]
    surveyed = json.loads(arguments.survey.read_text(encoding="utf-8"))
    trained = {
        model["trained"]["role"]: (model["trained"], Path(path).with_name("training.jsonl"))
        for model, path in zip(models.values(), arguments.models.values(), strict=True)
        if "trained" in model
    }
    facts = [
        *arguments.facts["facts"].items(),
        *((f"{cut['column'].replace('_', ' ')} cut", _cuts(cut)) for cut in cuts),
        *((f"{role} model", f"{model['path']} · {model['fingerprint']}") for role, model in models.items()),
        *(
            (f"tokens to {stage}", f"{tokens['prompt_tokens']} read, {tokens['output_tokens']} written")
            for stage, tokens in funnel.tokens.items()
        ),
    ]
    shown = [step for step in funnel.steps if step.by_source]
    shown_page = page(
        "page.html.jinja",
        name=arguments.facts["name"],
        funnel=funnel,
        source_titles=["raw records", *(step.title for step in shown)],
        sources={
            source: [ledgers["documents"].came_in, *(step.by_source[source] for step in shown)]
            for source, ledgers in funnel.by_source.items()
        },
        rounds=read_rounds(arguments.results, shards, arguments.round, bool(judge)) if arguments.round > 1 else None,
        checks=read_checks(of_round, shards),
        judge=judge_picture(*judge) if judge else None,
        perplexities=[picture(column, found) for column, found in surveyed.items()],
        curves=[curve(f"{role} model", *found) for role, found in trained.items()],
        facts=facts,
        used=used_and_planned(arguments.results, shards) if arguments.round == 1 else None,
        samples=samples(of_round / "dataset" / "pairs.parquet", arguments.facts["samples"]),
    )
    arguments.output.write_text(shown_page, encoding="utf-8")
    speeds = [speed for path in arguments.speeds for speed in read_table(path)["speeds"]]
    arguments.measured_speeds.write_text(as_yaml(measured(arguments.results, speeds, arguments.trains_on)), encoding="utf-8")


if __name__ == "__main__":
    main()
