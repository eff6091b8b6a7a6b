"""Pairs to token ids with the loss on the completion only. The label model sees them inverted, through the prompt that it will be asked with."""

from collections.abc import Iterable

from jinja2 import Template

from kun.books.digests import digest
from kun.books.tables import Row
from kun.completions.chat import closing_token, encode_chat, encode_text
from kun.completions.requests import Message
from kun.roles.prompt import ask_with

Example = dict[str, list[int]]  # input_ids, labels


def forward(pair: Row, system: str | None = None) -> tuple[tuple[Message, ...], str]:
    """The primary chat model: instruction → output; the final one, with a system message where it learns to tell pairs by it."""
    before = (Message("system", system),) if system else ()
    return (*before, Message("user", pair["instruction"])), pair["output"]


def grounded(pair: Row, polish_prompt: Template) -> tuple[tuple[Message, ...], str]:
    """The primary chat model, learning to keep to a text: instruction and output as the known text → output."""
    return ask_with(polish_prompt, text=pair["output"], instruction=pair["instruction"]), pair["output"]


def is_grounded(pair: Row, share: float) -> bool:
    """A choice by content, so that it stays when pairs are added or moved."""
    return int(digest("grounded", pair["id"], size=4), 16) / 2**32 < share


def inverted(pair: Row, label_prompt: Template) -> tuple[tuple[Message, ...], str]:
    """The label model: output → instruction."""
    return ask_with(label_prompt, text=pair["output"]), pair["instruction"]


def tokenised(tokenizer, conversations: Iterable[tuple[tuple[Message, ...], str]]) -> list[Example]:
    """Token ids of prompt and completion; labels are −100 on the prompt, so that only the completion is learnt."""
    examples = []
    for messages, completion in conversations:
        prompt = encode_chat(tokenizer, messages)
        answer = [*encode_text(tokenizer, completion), closing_token(tokenizer)]
        examples.append({"input_ids": prompt + answer, "labels": [-100] * len(prompt) + answer})
    return examples
