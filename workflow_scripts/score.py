"""score: the point model's verdict on each instruction, read from the probabilities of one-token words. Nothing is cut here."""

from kun.books.stage import Stage
from kun.books.tables import Row
from kun.completions.job import described_model
from kun.completions.requests import Request
from kun.roles.columns import SCORED
from kun.roles.job import arguments_of_role, asked
from kun.roles.score import Judge
from kun.settings.roles import Judging


def main() -> None:
    parser = arguments_of_role(__doc__)
    parser.add_argument("--settings", type=Judging.model_validate_json, required=True, help="how it is judged, as JSON")
    arguments = parser.parse_args()

    judge = Judge(arguments.prompt, arguments.settings, described_model(arguments))

    def to_requests(row: Row) -> list[Request]:
        return [judge.request(row | {"instruction": candidate}) for candidate in row["candidates"]]

    with Stage("score", arguments.output, SCORED, {"score": judge.identity}) as stage:
        for row, completions, model in asked(arguments, stage, to_requests):
            verdicts = [judge.verdict(found) if found.finish != "failed" else (None, None) for found in completions]
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
