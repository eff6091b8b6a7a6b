"""score: the point model's verdict on each instruction alone, read from the probabilities of two words. Nothing is cut here."""

import json

from kun.books.digests import digest
from kun.books.stage import Stage
from kun.completions.requests import Choose, Request
from kun.roles.columns import SCORED
from kun.roles.job import arguments_of_role, asked
from kun.roles.prompt import ask_with, read_prompt
from kun.roles.score import verdict
from kun.settings.roles import Score


def main() -> None:
    parser = arguments_of_role(__doc__)
    parser.add_argument("--settings", type=Score.model_validate_json, required=True, help="the score section, as JSON")
    arguments = parser.parse_args()

    prompt = read_prompt(arguments.prompt, "instruction")
    decoding = Choose((arguments.settings.good, arguments.settings.bad))
    # Scores of another judge or another question must never be cut at the same number: this travels with the column.
    judge = digest(json.loads(arguments.model.read_text(encoding="utf-8"))["fingerprint"], arguments.prompt.read_bytes())
    with Stage("score", arguments.output, SCORED, {"score": judge}) as stage:
        for row, completion, model in asked(
            arguments, stage, lambda row: Request(ask_with(prompt, instruction=row["instruction"]), decoding)
        ):
            if completion.finish == "failed":
                stage.fail(row, "failed", completion.text)
                continue
            score, outside = verdict(completion)
            stage.keep(row | {"score": round(score, 6), "score_outside": round(outside, 6), "point_model": model})


if __name__ == "__main__":
    main()
