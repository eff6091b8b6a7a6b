"""score: the point model's verdict on each instruction alone, read from the probabilities of two words. Nothing is cut here."""

from kun.books.digests import digest
from kun.books.stage import Stage
from kun.books.tables import Row
from kun.completions.job import described_model
from kun.completions.requests import Choose, Request
from kun.roles.columns import SCORED
from kun.roles.job import arguments_of_role, asked
from kun.roles.prompt import read_prompt, request_with
from kun.roles.score import verdict
from kun.settings.roles import Score


def main() -> None:
    parser = arguments_of_role(__doc__)
    parser.add_argument("--settings", type=Score.model_validate_json, required=True, help="the score section, as JSON")
    arguments = parser.parse_args()

    prompt = read_prompt(arguments.prompt, "instruction")
    decoding = Choose((arguments.settings.good, arguments.settings.bad))

    def to_requests(row: Row) -> list[Request]:
        return [request_with(prompt, decoding, instruction=candidate) for candidate in row["candidates"]]

    # Scores of another judge or another question must never be cut at the same number: this travels with the column.
    judge = digest(described_model(arguments)["fingerprint"], arguments.prompt.read_bytes())
    with Stage("score", arguments.output, SCORED, {"score": judge}) as stage:
        for row, completions, model in asked(arguments, stage, to_requests):
            verdicts = [verdict(found) if found.finish != "failed" else (None, None) for found in completions]
            scores = [round(score, 6) if score is not None else None for score, _ in verdicts]
            row |= {
                "candidate_scores": scores,
                "candidate_outside": [round(outside, 6) if outside is not None else None for _, outside in verdicts],
                "score": max((score for score in scores if score is not None), default=None),
                "point_model": model,
            }
            if row["score"] is None:
                stage.fail(row, "failed", completions[0].text)
            else:
                stage.keep(row)


if __name__ == "__main__":
    main()
