"""polish: the answer model rewrites each text so that it answers its instruction."""

from kun.books.stage import Stage
from kun.books.tables import Row
from kun.completions.requests import Generate, Request
from kun.roles.columns import POLISHED
from kun.roles.job import arguments_of_role, asked, settle
from kun.roles.polish import answer_of
from kun.roles.prompt import read_prompt, request_with
from kun.settings.roles import Polish


def main() -> None:
    parser = arguments_of_role(__doc__)
    parser.add_argument("--settings", type=Polish.model_validate_json, required=True, help="the polish section, as JSON")
    arguments = parser.parse_args()

    prompt = read_prompt(arguments.prompt, "text", "instruction")
    decoding = Generate(**arguments.settings.decoding.drawn())

    def to_requests(row: Row) -> list[Request]:
        return [request_with(prompt, decoding, text=row["text"], instruction=row["instruction"])]

    with Stage("polish", arguments.output, POLISHED) as stage:
        for row, [completion], model in asked(arguments, stage, to_requests, speculate=arguments.settings.speculate):
            outcome = answer_of(completion)
            row |= {"output": outcome.text, "output_raw": completion.text, "answer_model": model, "answer_cut": completion.cut}
            settle(stage, row, outcome)


if __name__ == "__main__":
    main()
