"""Where raw text comes from and how it is cut into shards."""

import re
from typing import Literal

from pydantic import Field, field_validator

from kun.settings.base import Section


class Source(Section):
    name: str = Field(description="a short word for this corpus; folders under the results carry it")
    format: Literal["wudao", "wanjuan", "skypile", "jsonl"] = Field(
        description="wudao: JSON arrays · wanjuan: {id, content} lines, plain or .tar.gz · skypile: {text} lines · jsonl: your own lines"
    )
    path: str = Field(description="the folder as published; files are found below it by the format's ending")
    text: str = Field("text", description="jsonl only: the field that holds the text")
    title: str | None = Field(None, description="jsonl only: the field that holds a title, put before the text")

    @field_validator("name")
    @classmethod
    def a_plain_word(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise ValueError("letters, digits, - and _ only: it becomes part of file names")
        return name


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
