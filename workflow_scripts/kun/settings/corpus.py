"""Where raw text comes from, how it is cut into shards, and how it is cleaned."""

import codecs
import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from kun.settings.base import Section


class Source(Section):
    name: str = Field(description="a short word for this corpus; folders under the results carry it")
    format: Literal["wudao", "wanjuan", "skypile", "jsonl", "parquet"] = Field(
        description="wudao: JSON arrays · wanjuan: {id, content} lines or archives of them · skypile: {text} lines · jsonl, parquet: your own"
    )
    path: str = Field(description="the folder as published; files are found below it by the format's ending")
    text: str = Field("text", description="jsonl and parquet: the field that holds the text")
    title: str | None = Field(None, description="jsonl and parquet: the field that holds a title, put before the text")
    category: str | None = Field(None, description="jsonl and parquet: the field that holds a category")
    encoding: Literal["utf-8", "gb18030"] = Field(
        "utf-8", description="how the text files are written (gb18030 serves for GBK and GB2312); does not count for parquet"
    )

    @field_validator("name")
    @classmethod
    def a_plain_word(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise ValueError("letters, digits, - and _ only: it becomes part of file names")
        return name

    @field_validator("encoding", mode="before")
    @classmethod
    def by_any_of_its_names(cls, name: str) -> str:
        """UTF8, gbk, GB2312 … as the encoding that reads them."""
        try:
            known = codecs.lookup(name).name
        except (LookupError, TypeError):
            return name
        return "gb18030" if known in ("gbk", "gb2312") else known

    @model_validator(mode="after")
    def fields_only_where_they_count(self) -> "Source":
        given = {"text", "title", "category"} & self.model_fields_set
        if self.format not in ("jsonl", "parquet") and any(getattr(self, name) not in (None, "text") for name in given):
            raise ValueError(f"text, title and category are fixed for {self.format}; they can be set for jsonl and parquet")
        return self


class Text(Section):
    html: bool = Field(True, description="take out tags and write entities (&nbsp; &#183;) as characters")
    mojibake: bool = Field(True, description="repair text that was read in a wrong encoding, where there are signs of it")
    boilerplate: bool = Field(True, description="take out lines of navigation, sharing and copyright, and a line's repetitions")
    simplify: bool = Field(True, description="write Traditional Chinese as Simplified (OpenCC t2s)")


AS_WRITTEN = Text(html=False, mojibake=False, boilerplate=False, simplify=False)  # seed pairs, models' answers


class Corpus(Section):
    data_folder: str | None = Field(
        None,
        description="instead of `sources`: a folder that holds published corpora under their own names "
        "(WuDaoCorpus2.0_base_200G, WanJuan1_dot_0, SkyPile-150B); those found are the sources, in this order",
    )
    sources: list[Source] = Field(
        [], description="the corpora, in order: the first to hold a text owns it, later copies are duplicates"
    )
    range_megabytes: int = Field(
        256, ge=1, description="plain line files larger than this are cut into byte ranges of about this size, each one shard"
    )
    pack_megabytes: int = Field(
        16, ge=0, description="files smaller than this are packed into shards of about this size; 0: every file is a shard"
    )
    max_record_megabytes: int = Field(
        2,
        ge=1,
        le=64,
        description="larger records are put aside unread; measuring takes up to 200 bytes of memory a character of the longest",
    )
    max_rejected: float = Field(
        0.05, ge=0, le=1, description="a shard of whose records a larger share cannot be used stops the run; 1: never"
    )
    text: Text = Field(Text(), description="how texts are cleaned; each step is a switch")
