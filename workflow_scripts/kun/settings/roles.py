"""The roles that language models play, and the checks on what they wrote."""

from typing import Literal

from pydantic import Field, model_validator

from kun.settings.base import Section
from kun.settings.completions import Decoding


class Label(Section):
    prompt: str = Field(
        "config/prompts/label.jinja",
        description="the request that shows a text and asks for its instruction; training uses the same",
    )
    decoding: Decoding = Field(Decoding(), description="how instructions are drawn")
    candidates: int = Field(
        1, ge=1, le=16, description="instructions drawn for each text; the best by score that passes the rules is taken"
    )

    @model_validator(mode="after")
    def chance_where_several(self) -> "Label":
        if self.candidates > 1 and not self.decoding.drawn()["temperature"]:
            raise ValueError("several `candidates` are all the same at temperature 0; give `decoding.temperature`")
        return self


class Score(Section):
    prompt: str = Field(
        "config/prompts/score.jinja", description="the request that shows an instruction, and it alone, and asks for a verdict"
    )
    good: str = Field("好", description="the verdict for a good instruction; one token of the point model")
    bad: str = Field("差", description="the verdict for a bad one; one token of the point model")
    threshold: float | None = Field(
        0.5, ge=0, le=1, description="keep instructions whose p(good) among the two words is at least this"
    )
    percentile: float | None = Field(
        None,
        ge=0,
        lt=100,
        description="with `threshold: null`: take the threshold from all instructions' scores, once, and pin it; null: no cut",
    )

    @model_validator(mode="after")
    def one_cut(self) -> "Score":
        if self.threshold is not None and self.percentile is not None:
            raise ValueError("give `threshold` or `percentile`, and null for the other")
        return self


class Instructions(Section):
    min_characters: int = Field(4, ge=1, description="shorter instructions are dropped")
    max_characters: int = Field(300, ge=1, description="longer instructions are dropped")
    rules: Literal["none", "kun", "precise"] = Field(
        "precise",
        description="words that drop an instruction. kun: the published list (新闻 材料 图片 … hits many good ones); "
        "precise: references to material that the reader will not have",
    )


class Polish(Section):
    prompt: str = Field(
        "config/prompts/polish.jinja", description="the request that shows text and instruction and asks for an answer"
    )
    decoding: Decoding = Field(Decoding(), description="how answers are drawn")
    speculate: int = Field(
        0,
        ge=0,
        description="vllm: tokens guessed ahead from the prompt at each step (n-gram speculation), which pays where answers quote their "
        "text; 0: off",
    )


class Answers(Section):
    min_characters: int = Field(20, ge=1, description="shorter answers are dropped (this and all below: without the tail)")
    max_echo: float = Field(
        0.95, ge=0, le=1, description="largest share of an answer, from its beginning, that repeats the instruction's beginning"
    )
    min_ratio: float = Field(0.02, ge=0, description="least length of an answer, as a multiple of its text's")
    max_ratio: float = Field(10, gt=0, description="largest length of an answer, as a multiple of its text's")
    min_han_share: float = Field(
        0.2, ge=0, le=1, description="least share of Han characters among an answer's letters; code and translations have few"
    )
    languages: list[str] = Field(
        [],
        description="languages that stay, as fastText's lid.176 names them; []: all (it takes one short Chinese answer of a hundred for another)",
    )
    max_loop: int = Field(
        30,
        ge=0,
        description="longest stretch of an answer, in characters, that is one unit of up to 64 said three times or more, back to back",
    )
    max_repetition: float = Field(0.4, ge=0, le=1, description="largest share of an answer's character 8-grams that are repeats")
    rules: Literal["none", "kun", "precise"] = Field(
        "precise",
        description="words that drop an answer. kun: the published list (作为 根据 … hits many good ones); precise: an assistant about "
        "itself, refusals, apologies, absent material, rests of prompts",
    )
    min_related: float = Field(
        0.02,
        ge=0,
        le=1,
        description="least share of an answer's pairs of Han characters that its text holds; below it they are not about the same",
    )
    max_copied: float | None = Field(
        None,
        ge=0,
        le=1,
        description="largest share of an answer that is copied from its text, in stretches of 13 characters or more; null: any",
    )
    max_new: int | None = Field(
        None, ge=0, description="most numbers and Latin names in an answer that neither its text nor its instruction has; null: any"
    )
    strip_tail: bool = Field(
        True,
        description="take hedging sentences (希望以上回答对您有帮助 …) off the end of an answer; they stay in a column of their own",
    )

    @model_validator(mode="after")
    def a_ratio_is_possible(self) -> "Answers":
        if self.min_ratio > self.max_ratio:
            raise ValueError(f"min_ratio {self.min_ratio:g} is above max_ratio {self.max_ratio:g}: no answer would stay")
        return self
