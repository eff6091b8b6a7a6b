"""What perplexity is measured with, and where each cut comes from."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from kun.settings.base import Section

SOURCE = "source:"  # begins an entry of a reference that is no file


class Cut(Section):
    maximum: float | None = Field(None, gt=0, description="drop above this perplexity; null: see `percentile`")
    minimum: float | None = Field(
        None, ge=0, description="drop below this perplexity (templates and spam are very predictable); null: see `low_percentile`"
    )
    percentile: float | None = Field(None, gt=0, le=100, description="the upper cut as a percentile, taken once and then pinned")
    low_percentile: float | None = Field(
        None, ge=0, lt=100, description="the lower cut as a percentile, taken once and then pinned"
    )
    percentile_of: Literal["pooled", "source"] | list[str] = Field(
        "pooled",
        description="what percentiles are taken of: pooled, a sample of all sources together · source, each source by itself (one that is "
        "a third garbage then keeps garbage) · a list of files of good text (.jsonl with a `text` field, or .txt, one text a line)",
    )
    sample_documents: int = Field(
        100_000, ge=100, description="how many documents the sample holds (each source's, under `source`)"
    )
    identity: str | None = Field(
        None,
        description="for `maximum` and `minimum`: the identity they were found under, as calibration files and reports state it; "
        "values of another are refused. null: not checked",
    )

    @model_validator(mode="after")
    def one_word_for_each_end(self) -> "Cut":
        for number, percentile in (("maximum", "percentile"), ("minimum", "low_percentile")):
            if getattr(self, number) is not None and getattr(self, percentile) is not None:
                raise ValueError(f"give either `{number}` or `{percentile}`, and null for the other")
        for low, high in (("minimum", "maximum"), ("low_percentile", "percentile")):
            if None not in (getattr(self, low), getattr(self, high)) and getattr(self, low) >= getattr(self, high):
                raise ValueError(f"`{low}` must be below `{high}`")
        if self.percentile_of == []:
            raise ValueError("`percentile_of` names no file")
        return self

    def files(self) -> list[str]:
        """The reference that percentiles are taken of, where it is one."""
        return self.percentile_of if self.by_percentile() and isinstance(self.percentile_of, list) else []

    def by_percentile(self) -> bool:
        """Whether values have to be looked at to know the cut."""
        return self.percentile is not None or self.low_percentile is not None


class Kenlm(Section):
    model: str | None = Field(None, description="an existing KenLM file (arpa or binary); null: train one")
    sentencepiece: str | None = Field(
        None,
        description="the SentencePiece file that belongs to `model` (CCNet's zh.sp.model to its zh.arpa.bin); null: characters",
    )
    normaliser: Literal["kun", "ccnet", "datatrove", "none"] | None = Field(
        None,
        description="the normal form that `model` was trained on, or is to be; null: ccnet where a SentencePiece file is given, kun "
        "otherwise · datatrove: its version of ccnet, which writes a whole number as one 0",
    )
    unit: Literal["characters", "sentencepiece"] = Field(
        "characters", description="what a model trained here counts; sentencepiece: its pieces are trained first, on the same text"
    )
    reference: list[str] = Field(
        [],
        description="good text to train on: files (.jsonl with a `text` field, or .txt, one text a line), and source:NAME for documents of "
        "a source of `corpus`; [] with `model: null`: a sample of all sources",
    )
    sample_documents: int = Field(
        100_000,
        ge=100,
        description="how many documents at most are taken from a source named in `reference`, or from all sources together where none is",
    )
    pieces: int = Field(32_000, ge=100, description="unit sentencepiece: size of its vocabulary")
    order: int = Field(5, ge=2, le=6, description="n of the n-grams")
    prune: list[int] = Field(
        [],
        description="n-grams seen at most this often are left out, a figure per order, never falling (lmplz --prune): [0, 0, 1]; []: none",
    )
    structure: Literal["probing", "trie"] = Field(
        "probing", description="probing: 2.5 times as fast · trie: a fraction of the memory"
    )
    quantise: int | None = Field(None, ge=2, le=25, description="trie: bits for a probability and a back-off; null: whole floats")
    memory: str = Field("2G", description="what lmplz may use for sorting, as its -S")
    temporary: str | None = Field(
        None, description="folder for what training sorts on disk, about ten times the text; null: beside the model"
    )
    cut: Cut = Field(Cut(percentile=80), description="which of these perplexities stay")

    @model_validator(mode="after")
    def fits_together(self) -> "Kenlm":
        if self.sentencepiece and not self.model:
            raise ValueError("`sentencepiece` is the file that belongs to a given `model`; to train one, say `unit: sentencepiece`")
        if self.model and not self.sentencepiece and self.unit == "sentencepiece":
            raise ValueError("a given `model` of pieces needs their SentencePiece file in `sentencepiece`")
        if self.quantise is not None and self.structure != "trie":
            raise ValueError("`quantise` is for `structure: trie`")
        if self.prune and (len(self.prune) > self.order or self.prune != sorted(self.prune) or min(self.prune) < 0):
            raise ValueError("`prune` holds at most `order` figures, none below the one before it")
        return self

    @field_validator("reference")
    @classmethod
    def of_a_kind_that_is_read(cls, names: list[str]) -> list[str]:
        for name in names:
            if not name.startswith(SOURCE) and not name.endswith((".jsonl", ".txt")):
                raise ValueError(f"{name!r} is neither source:NAME nor a file ending in .jsonl (lines with a `text` field) or .txt")
        return names

    def sources_of_reference(self) -> list[str]:
        """The sources that `reference` names."""
        return [name.removeprefix(SOURCE) for name in self.reference if name.startswith(SOURCE)]

    def pinned(self) -> bool:
        """Whether the model is trained on documents of the sources: then it stays as it is when they change."""
        return not self.model and (not self.reference or bool(self.sources_of_reference()))

    def chosen_normaliser(self) -> str:
        return self.normaliser or ("ccnet" if self.sentencepiece else "kun")


class Causal(Section):
    model: str | None = Field(None, description="folder or hub id of a causal language model; null: models.base")
    tokens: int = Field(1024, ge=16, description="how many tokens of a text the model sees at once")
    stride: int | None = Field(
        None,
        ge=1,
        description="longer texts: null, their first `tokens` tokens are judged · a number, the window moves on by so many, and all tokens are",
    )
    cut: Cut = Field(Cut(percentile=80), description="which of these perplexities stay")

    @model_validator(mode="after")
    def windows_overlap(self) -> "Causal":
        if self.stride is not None and self.stride > self.tokens:
            raise ValueError("`stride` is at most `tokens`, or tokens between windows would be judged by none")
        return self


class Perplexity(Section):
    measures: list[Literal["kenlm", "causal"]] = Field(
        ["kenlm"],
        description="which perplexities are measured and cut on: kenlm, an n-gram model · causal, a language model, on a GPU",
    )
    kenlm: Kenlm = Field(Kenlm(), description="the n-gram model")
    causal: Causal = Field(Causal(), description="the causal language model")
