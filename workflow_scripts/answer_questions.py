"""answer_questions: which letter a model finds likeliest for each multiple-choice question, after solved ones of its subject."""

import argparse
import json
from pathlib import Path
from typing import Any

import kun.evaluation
from kun.books.digests import digest
from kun.books.stage import Stage
from kun.books.tables import count_rows, read_rows
from kun.completions.job import add_engine_arguments, answered, described_model
from kun.evaluation.exam import ANSWERS, Shots, request
from kun.evaluation.exam import answered as row_of_answer


def read_as_text(model: dict[str, Any], trust_remote_code: bool) -> dict[str, Any]:
    """The model's description with, in place of its chat template, one that shows a message as a plain text: after BOS for a tokenizer
    that puts it before every text; and without the system message that it may be asked with. It is another model to the completion store."""
    if not model["path"]:
        raise SystemExit(f"{model['name']} is asked by its server alone, which makes its prompts: set evaluation.prompts to chat")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model["path"], trust_remote_code=trust_remote_code)
    begins = tokenizer.bos_token_id is not None and tokenizer("题")["input_ids"][0] == tokenizer.bos_token_id
    template = Path(kun.evaluation.__file__).with_name("plain-after-bos.jinja" if begins else "plain.jinja")
    fingerprint = digest(model["fingerprint"], template.read_text(encoding="utf-8"))
    described = {name: fact for name, fact in model.items() if name != "system"}
    return described | {"chat_template": str(template), "fingerprint": fingerprint}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--questions", type=Path, required=True, help="Parquet, by read_questions")
    parser.add_argument("--solved", type=Path, help="Parquet, by read_questions: what may be shown before a question")
    parser.add_argument("--shots", type=int, default=0, help="how many are shown before each one")
    parser.add_argument("--prompts", choices=["plain", "chat"], required=True, help="as text to go on with, or as a user's message")
    add_engine_arguments(parser)
    parser.add_argument("--asked", type=Path, required=True, help="JSON, written here: the model's description as it is asked")
    parser.add_argument("--output", type=Path, required=True, help="Parquet of the answers")
    arguments = parser.parse_args()

    model = described_model(arguments)
    if arguments.prompts == "plain":
        if arguments.engine.name == "openai" and arguments.engine.openai.prompts == "chat":
            raise SystemExit(
                "evaluation.prompts is plain, but engine.openai.prompts is chat: set both to chat, or the engine's to tokens"
            )
        model = read_as_text(model, arguments.trust_remote_code)
    arguments.asked.write_text(json.dumps(model, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    arguments.model = arguments.asked

    shots = Shots(read_rows(arguments.solved) if arguments.solved else [], arguments.shots)
    asked = (((row, before), [request(row, before)]) for row in read_rows(arguments.questions) for before in [shots.before(row)])
    with Stage("answer_questions", arguments.output, ANSWERS) as stage:
        stage.notes = {"prompts": arguments.prompts, "model": model["fingerprint"]}
        for (row, before), [completion] in answered(arguments, asked, count_rows(arguments.questions)):
            stage.take()
            if completion.finish == "failed":
                too_long = "does not fit" in completion.text
                stage.fail(row, "too_long" if too_long else "failed", completion.text)
                continue
            stage.keep(row_of_answer(row, len(before), completion))


if __name__ == "__main__":
    main()
