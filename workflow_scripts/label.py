"""label: the label model writes, for each text of the primary data, the instruction that the text most likely answers, or several to choose
from.
"""

from collections import Counter

from kun.books.stage import Stage
from kun.books.tables import Row
from kun.completions.requests import Generate, Request
from kun.roles.columns import LABELLED
from kun.roles.job import arguments_of_role, asked, settle
from kun.roles.label import different, instruction_of
from kun.roles.prompt import fixed_lines, read_prompt, request_with
from kun.settings.roles import Label


def main() -> None:
    parser = arguments_of_role(__doc__)
    parser.add_argument("--settings", type=Label.model_validate_json, required=True, help="the label section, as JSON")
    arguments = parser.parse_args()

    prompt, count = read_prompt(arguments.prompt, "text"), arguments.settings.candidates
    echo = fixed_lines(prompt, "text")
    decoding = Generate(**arguments.settings.decoding.drawn())

    def to_requests(row: Row) -> list[Request]:
        return [request_with(prompt, decoding, candidate, text=row["text"]) for candidate in range(count)]

    kinds: Counter[str] = Counter()
    with Stage("label", arguments.output, LABELLED) as stage:
        for row, completions, model in asked(arguments, stage, to_requests, count):
            outcomes = [instruction_of(completion, echo) for completion in completions]
            kept = different(outcomes)
            kinds.update(outcome.kind for outcome in outcomes)
            kinds["alike"] += sum(outcome.kind == "parsed" for outcome in outcomes) - len(kept)
            chosen = kept or range(count)
            row |= {
                "candidates": [outcomes[place].text for place in kept],
                "candidates_raw": [completions[place].text for place in chosen],
                "label_model": model,
                "label_cut": completions[0].cut,
            }
            settle(stage, row, outcomes[chosen[0]])
        if count > 1:
            stage.notes["candidates"] = dict(sorted(kinds.items()))


if __name__ == "__main__":
    main()
