"""Which documents become primary data."""

from pydantic import Field, field_validator

from kun.settings.base import Section


class Primary(Section):
    max_tokens: int = Field(512, ge=1, description="longer texts are dropped (Kun: 512), in tokens of the label model")
    min_characters: int = Field(20, ge=1, description="shorter texts are dropped")
    min_han_share: float = Field(
        0.5, ge=0, le=1, description="least share of Han characters among a text's letters; below it is another language"
    )
    languages: list[str] = Field(
        ["zh", "wuu", "yue"],
        description="languages that stay, as fastText's lid.176 names them; []: all (Han share is another signal)",
    )
    max_repeated_grams: float = Field(0.3, ge=0, le=1, description="largest share of a text's character 8-grams that are repeats")
    max_repeated_lines: float = Field(
        0.3, ge=0, le=1, description="largest share of a text's characters in lines that occurred before"
    )
    max_markup_share: float = Field(0.2, ge=0, le=1, description="largest share of a text's characters in addresses and markup")
    mask_personal: bool = Field(
        False,
        description="write personal numbers and addresses that were found (mobile, ID card, bank card, e-mail, QQ, WeChat) as marks",
    )


class Duplicates(Section):
    near: bool = Field(True, description="near duplicates as well as exact ones")
    similarity: float = Field(
        0.8, ge=0.5, le=1, description="texts are near duplicates from this Jaccard similarity of their character 5-grams on"
    )


class BenchmarkFile(Section):
    path: str = Field(description="a file of questions, .jsonl or .csv, or a folder of them")
    field: str = Field("question", description="the field that holds the question; a CSV column in any case")


class Decontamination(Section):
    benchmarks: list[BenchmarkFile] = Field([], description="questions that must not occur in the dataset")
    gram: int = Field(8, ge=5, le=64, description="questions are found by character n-grams of this length, punctuation aside")
    share: float = Field(
        0.7, gt=0, le=1, description="a text is contaminated when the n-grams it holds cover this share of a question's characters"
    )

    @field_validator("benchmarks", mode="before")
    @classmethod
    def a_path_alone_will_do(cls, files: object) -> object:
        return [{"path": file} if isinstance(file, str) else file for file in files] if isinstance(files, list) else files
