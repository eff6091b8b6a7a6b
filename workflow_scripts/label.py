"""label: the label model writes, for each text of the primary data, the instruction that the text most likely answers."""

from kun.books.stage import Stage
from kun.completions.requests import Generate, Request
from kun.roles.columns import LABELLED
from kun.roles.job import arguments_of_role, asked, settle
from kun.roles.label import instruction_of
from kun.roles.prompt import ask_with, read_prompt
from kun.settings.roles import Label


def main() -> None:
    parser = arguments_of_role(__doc__)
    parser.add_argument("--settings", type=Label.model_validate_json, required=True, help="the label section, as JSON")
    arguments = parser.parse_args()

    prompt = read_prompt(arguments.prompt, "text")
    decoding = Generate(**arguments.settings.decoding.model_dump())
    with Stage("label", arguments.output, LABELLED) as stage:
        for row, completion, model in asked(arguments, stage, lambda row: Request(ask_with(prompt, text=row["text"]), decoding)):
            outcome = instruction_of(completion)
            settle(stage, row | {"instruction": outcome.text, "instruction_raw": completion.text, "label_model": model}, outcome)


if __name__ == "__main__":
    main()
