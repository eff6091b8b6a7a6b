"""The n-gram model that measures perplexity, and where the cut comes from."""

from pydantic import Field, model_validator

from kun.settings.base import Section


class Kenlm(Section):
    model: str | None = Field(
        None, description="an existing KenLM file over characters in this project's normal form; null: train one"
    )
    reference: list[str] = Field(
        [],
        description="files of good text to train on (.jsonl with a `text` field, or .txt, one text a line); [] with `model: null`: a sample of the sources",
    )
    sample_documents: int = Field(
        100_000, ge=100, description="how many documents of the sources make the reference where no file is given"
    )
    order: int = Field(5, ge=2, le=6, description="n of the n-grams, counted in characters")
    memory: str = Field("2G", description="what lmplz may use for sorting, as its -S")


class Perplexity(Section):
    kenlm: Kenlm = Field(Kenlm(), description="the n-gram model")
    maximum: float | None = Field(None, gt=0, description="drop above this perplexity; null: take it from `percentile`")
    percentile: float | None = Field(
        80.0,
        gt=0,
        le=100,
        description="the cut as a percentile of all documents' perplexities, computed once and then pinned",
    )

    @model_validator(mode="after")
    def one_cut(self) -> "Perplexity":
        if (self.maximum is None) == (self.percentile is None):
            raise ValueError("give either `maximum` or `percentile`, and null for the other")
        return self
