"""The language models: trained here, or given, or served by others."""

from pydantic import Field

from kun.settings.base import Section

SERVED = "served:"  # begins the name of a model whose weights are not here


class Models(Section):
    base: str | None = Field(
        "01-ai/Yi-6B",
        description="the base model to fine-tune, a folder or a hub id; needed unless label, point and answer are all given",
    )
    label: str | None = Field(
        None,
        description="writes an instruction for a text; null: the base trained on inverted seed pairs. A folder or a hub id, as point and "
        "answer; or served:NAME where only a server has it (engine.name: openai)",
    )
    point: str | None = Field(None, description="judges instructions; null: the primary chat model, the base trained on seed pairs")
    answer: str | None = Field(None, description="polishes a text into an answer; null: the primary chat model")
    chat_template: str | None = Field(
        None,
        description="a Jinja file for models that bring no chat template of their own; trained models keep it",
    )
    served_version: str = Field(
        "", description="free text; another one says that the served:NAME models are others now, so all are asked again"
    )
    trust_remote_code: bool = Field(False, description="run code that a model's folder brings; only for models you have read")

    def given(self, role: str) -> str | None:
        """The model given for `role` (label | point | answer), or None where one is trained."""
        return {"label": self.label, "point": self.point, "answer": self.answer}[role]

    def trained_roles(self) -> list[str]:
        """Which of the two trainings a run needs: label and chat."""
        return [*(["label"] if not self.label else []), *(["chat"] if not (self.point and self.answer) else [])]

    def tokenizer_role(self) -> str:
        """Whose tokenizer counts a document's tokens: the label model's where its folder is given, else the base's."""
        return "label" if self.label and not self.label.startswith(SERVED) else "base"
