"""How the chat models are compared once they are trained."""

from typing import Literal

from pydantic import Field

from kun.settings.base import Section


class Evaluation(Section):
    questions: list[str] = Field(
        [],
        description="multiple-choice questions in CMMLU's form, .csv or .jsonl: files, or folders of them (docs/evaluation.md); []: none are "
        "asked. They belong into decontamination.benchmarks as well",
    )
    shots_from: list[str] = Field(
        [], description="the same, of solved questions that are shown before one is asked (CMMLU's dev files); []: none are shown"
    )
    shots: int = Field(
        5, ge=0, description="solved questions of the same subject shown before each one; fewer where there are fewer"
    )
    prompts: Literal["plain", "chat"] = Field(
        "plain",
        description="plain: as text to go on with, to every model, as CMMLU's own evaluation does · chat: to chat models as a user's message; "
        "the base is asked in plain text",
    )
