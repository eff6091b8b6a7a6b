"""calibrate_judge: the point model's verdicts on instructions that people judged, asked as `score` asks, for its measures and its cut."""

from kun.books.stage import Stage
from kun.completions.job import described_model
from kun.roles.job import arguments_of_role, asked
from kun.roles.labels import JUDGED
from kun.roles.score import Judge
from kun.settings.roles import Judging


def main() -> None:
    parser = arguments_of_role(__doc__)
    parser.add_argument("--settings", type=Judging.model_validate_json, required=True, help="how it is judged, as JSON")
    arguments = parser.parse_args()

    judge = Judge(arguments.prompt, arguments.settings, described_model(arguments))
    with Stage("calibrate_judge", arguments.output, JUDGED, {"score": judge.identity}) as stage:
        for row, [completion], model in asked(arguments, stage, lambda row: [judge.request(row)]):
            if completion.finish == "failed":
                stage.fail(row, "failed", completion.text)
                continue
            score, outside = judge.verdict(completion)
            stage.keep(row | {"score": round(score, 6), "score_outside": round(outside, 6), "point_model": model})


if __name__ == "__main__":
    main()
