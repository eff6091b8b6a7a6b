"""The roles that language models play, and the checks on what they wrote."""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from kun.settings.base import Section
from kun.settings.completions import Decoding
from kun.settings.perplexity import Cut

BINARY = {"好": 1.0, "差": 0.0}  # Kun's verdicts
CUT_OF_SCORE = ("threshold", "percentile", "precision", "budget")
SHIPPED_LABELS = "config/judge/instructions.jsonl"


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


class Judging(Section):
    """How the point model is asked and what its answers are worth: all that a score depends on beside the model."""

    prompt: str = Field(
        "config/prompts/score.jinja",
        description="the request that shows an instruction and asks for a verdict. score-five.jinja beside it asks for 1 to 5, "
        "score-pair.jinja too, of an instruction with its text",
    )
    target: Literal["instruction", "pair"] = Field(
        "instruction",
        description="what is judged. instruction: it alone (Kun) · pair: the instruction with its text as the answer (Humpback); "
        "the prompt then shows {{ text }} as well",
    )
    verdicts: dict[str, float] | None = Field(
        None,
        description="each word that may be the verdict, one token of the point model, with its value; the score is the expected value. "
        'null: {好: 1, 差: 0} · {"1": 1, "2": 2, "3": 3, "4": 4, "5": 5} with a prompt that asks for 1 to 5',
    )

    @field_validator("verdicts", mode="before")
    @classmethod
    def words_as_yaml_gives_them(cls, verdicts: Any) -> Any:
        """YAML reads 1 as a number and yes, no, on, off as truth values: the one is what was written, the other is not."""
        if not isinstance(verdicts, dict):
            return verdicts
        for word in verdicts:
            if isinstance(word, bool) or not isinstance(word, int | str):
                raise ValueError(f"put each word in quotes: YAML read one of them as {word!r}")
        return {str(word): value for word, value in verdicts.items()}

    @field_validator("verdicts")
    @classmethod
    def tell_good_from_bad(cls, verdicts: dict[str, float] | None) -> dict[str, float] | None:
        if verdicts is not None and len(set(verdicts.values())) < 2:
            raise ValueError("at least two words of different values are needed")
        if verdicts is not None and not all(map(str.strip, verdicts)):
            raise ValueError("a word is empty")
        return verdicts

    @model_validator(mode="after")
    def the_prompt_is_the_targets(self) -> "Judging":
        if self.target == "pair" and self.prompt == type(self).model_fields["prompt"].default:
            raise ValueError(
                "`target: pair` needs a `prompt` that shows {{ text }} as well, as config/prompts/score-pair.jinja does, which asks for 1 to 5"
            )
        return self

    def worth(self) -> dict[str, float]:
        """Each verdict word with its value."""
        return self.verdicts or BINARY


class ScoreCut(Cut):
    """Where scores are cut: as perplexities are, or by what people said of a labelled set, or by how many are wanted."""

    minimum: float | None = None  # in the units of the verdicts, which may be below 0
    doubt: float = 0
    precision: float | None = None
    budget: int | None = None

    def by_percentile(self) -> bool:
        return super().by_percentile() or self.budget is not None


class Score(Judging):
    threshold: float | None = Field(
        0.5, description="keep instructions whose score is at least this, in the units of `verdicts`; null: see the next three"
    )
    percentile: float | None = Field(
        None, ge=0, lt=100, description="instead: take the threshold from all instructions' scores, once, and pin it"
    )
    precision: float | None = Field(
        None,
        gt=0,
        le=1,
        description="instead: the least threshold at which this share of what is kept is good, by the `labelled` set",
    )
    budget: int | None = Field(
        None, ge=1, description="instead: keep about so many instructions of the whole corpus; found once and pinned"
    )
    labelled: list[str] = Field(
        [SHIPPED_LABELS],
        description="what the judge is measured on: files of lines {instruction, good: true or false, kind} that people judged, "
        "with `output` for `target: pair`; the set that comes along is of instructions alone. []: it is not measured",
    )

    @field_validator("labelled", mode="before")
    @classmethod
    def one_file_or_several(cls, files: Any) -> Any:
        return [files] if isinstance(files, str) else files

    @model_validator(mode="after")
    def one_cut(self) -> "Score":
        given = [name for name in CUT_OF_SCORE if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"give one of {', '.join(CUT_OF_SCORE)}, and null for the others; these are given: {', '.join(given)}")
        low, high = min(self.worth().values()), max(self.worth().values())
        if self.threshold is not None and not low <= self.threshold <= high:
            raise ValueError(f"`threshold` is in the units of `verdicts`, from {low:g} to {high:g}, and {self.threshold:g} is not")
        if self.precision is not None and not self.files_of_labels():
            raise ValueError("`precision` is measured on `labelled`, which names no file" + self._no_set_of_pairs())
        return self

    def files_of_labels(self) -> list[str]:
        """What the judge is measured on; none for pairs where only the set of instructions that comes along is named."""
        return [] if self.target == "pair" and self.labelled == [SHIPPED_LABELS] else self.labelled

    def _no_set_of_pairs(self) -> str:
        return "; none of pairs comes along, so name one of your own" if self.target == "pair" else ""

    def cut(self) -> ScoreCut:
        return ScoreCut(
            minimum=self.threshold, low_percentile=self.percentile, precision=self.precision, budget=self.budget, doubt=0
        )


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
