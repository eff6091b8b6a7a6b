"""compare_models: what was measured of each chat model, and the differences with their intervals; as data and as a page."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from kun.books.ledger import Ledger
from kun.books.stage import ledger_path
from kun.evaluation.comparison import compared
from kun.report.evaluation_picture import picture
from kun.report.pages import page
from kun.settings.evaluation import Evaluation


def named(option: str) -> tuple[str, Path]:
    """NAME=PATH."""
    name, _, path = option.partition("=")
    return name, Path(path)


def not_avoided(files: list[Path], benchmarks: list[Path]) -> list[str]:
    """The files of questions that the dataset may contain."""
    avoided = {path.expanduser().resolve() for path in benchmarks}
    return [str(path) for path in files if path.expanduser().resolve() not in avoided]


def in_words(found: dict[str, Any]) -> list[str]:
    lines = []
    for name, measures in found["models"].items():
        held_out, questions = measures["held_out"], measures["questions"]
        said = (
            [f"{held_out['nll']:.4f} nats a token on {held_out['pairs']} held-out pairs"] if held_out and held_out["pairs"] else []
        )
        if questions and questions["questions"]:
            said.append(f"{questions['right']} of {questions['questions']} questions right ({100 * questions['accuracy']:.1f} %)")
        lines.append(f"{name}: {', '.join(said) or 'nothing was measured'}")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--held-out", type=named, nargs="*", default=[], help="NAME=Parquet by measure_held_out, its ledger beside it"
    )
    parser.add_argument(
        "--answers", type=named, nargs="*", default=[], help="NAME=Parquet by answer_questions, its ledger beside it"
    )
    parser.add_argument("--questions", type=Path, help="Parquet by read_questions, its ledger beside it")
    parser.add_argument("--files", type=Path, nargs="*", default=[], help="where the questions are from")
    parser.add_argument("--benchmarks", type=Path, nargs="*", default=[], help="files whose questions the dataset does not contain")
    parser.add_argument("--settings", type=Evaluation.model_validate_json, required=True, help="the evaluation section, as JSON")
    parser.add_argument("--name", required=True, help="the dataset's name")
    parser.add_argument("--comparison", type=Path, required=True, help="JSON: all figures")
    parser.add_argument("--page", type=Path, required=True, help="HTML: the same to look at")
    arguments = parser.parse_args()

    read = Ledger.read(ledger_path(arguments.questions)) if arguments.questions else None
    found = compared(dict(arguments.held_out), dict(arguments.answers)) | {
        "questions": read.model_dump(by_alias=True, include={"came_in", "kept", "dropped", "failed"}) if read else None,
        "not_in_decontamination": not_avoided(arguments.files, arguments.benchmarks),
        "shots": arguments.settings.shots if arguments.settings.shots_from else 0,
        "prompts": arguments.settings.prompts,
    }
    print("\n".join(in_words(found)), file=sys.stderr)
    arguments.comparison.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")

    arguments.page.write_text(page("evaluation.html.jinja", name=arguments.name, picture=picture(found)), encoding="utf-8")


if __name__ == "__main__":
    main()
