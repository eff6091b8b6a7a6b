"""How a model is asked a multiple-choice question, word for word as in CMMLU's own evaluation (arXiv 2306.09212): solved questions of the
subject, then the question; its answer is the letter with the largest log-probability after 答案是：.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import pyarrow as pa

from kun.books.tables import Row
from kun.completions.requests import Choose, Completion, Message, Request, Shown
from kun.evaluation.questions import LETTERS
from kun.evaluation.subjects import IN_CHINESE

ANSWERS = pa.schema(
    [
        ("id", pa.string()),
        ("subject", pa.string()),
        ("answer", pa.string()),
        ("chosen", pa.string()),
        ("right", pa.bool_()),
        ("tied", pa.bool_()),  # another letter is as likely; the first in the alphabet is the one chosen
        ("shots", pa.int32()),  # how many solved questions stood before it
        ("lacking", pa.int32()),  # how many more there were, for which the model's context had no room
        *((f"logprob_{letter}", pa.float64()) for letter in LETTERS),
    ]
)


def as_text(question: Row, solved: bool) -> str:
    choices = "".join(f"\n{letter}. {question[letter]}" for letter in LETTERS)
    return f"题目：{question['question']}{choices}\n答案是：" + (f"{question['answer']}\n\n" if solved else "")


def prompt(question: Row, shots: Sequence[Row]) -> str:
    subject = IN_CHINESE.get(question["subject"], question["subject"])
    return (
        f"以下是关于{subject}的单项选择题，请直接给出正确答案的选项。\n\n"
        + "".join(as_text(shot, solved=True) for shot in shots)
        + as_text(question, solved=False)
    )


class Shots:
    """Solved questions by subject, in the order of their files; the first `count` are shown, of which none is the question itself."""

    def __init__(self, rows: Iterable[Row], count: int):
        self.count, self.by_subject = count, defaultdict(list)
        for row in rows:
            self.by_subject[row["subject"]].append(row)

    def before(self, question: Row) -> list[Row]:
        return [row for row in self.by_subject[question["subject"]] if row["id"] != question["id"]][: self.count]


def request(question: Row, shots: Sequence[Row]) -> Request:
    """What is asked. An engine whose context is too short for it leaves out solved questions, the last first, and never a part of one."""
    # Engines cut a prompt's text at the end of a line. The text here is a tally: a line for the question, and one for each solved one.
    tally = "\n" * (1 + len(shots))

    def with_lines(lines: str) -> tuple[Message, ...]:
        return (Message("user", prompt(question, shots[: max(0, len(lines) - 1)])),)

    return Request(with_lines(tally), Choose(LETTERS), shown=Shown(tally, with_lines))


def answered(question: Row, shots: int, completion: Completion) -> Row:
    """A row of ANSWERS; `shots`: how many were meant to be shown."""
    shown = shots if completion.cut is None else max(0, completion.cut - 1)
    best = max(completion.logprobs)
    chosen = LETTERS[completion.logprobs.index(best)]
    return {
        **{name: question[name] for name in ("id", "subject", "answer")},
        "chosen": chosen,
        "right": chosen == question["answer"],
        "tied": completion.logprobs.count(best) > 1,
        "shots": shown,
        "lacking": shots - shown,
        **{f"logprob_{letter}": value for letter, value in zip(LETTERS, completion.logprobs, strict=True)},
    }
