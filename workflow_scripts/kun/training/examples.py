"""Pairs to token ids with the loss on the completion only. The label model sees them inverted, through the prompt that it will be asked with."""

from collections.abc import Iterable

from jinja2 import Template

from kun.books.tables import Row
from kun.completions.chat import closing_token, encode_chat, encode_text
from kun.completions.requests import Message
from kun.roles.prompt import ask_with

Example = dict[str, list[int]]  # input_ids, labels


def forward(pair: Row) -> tuple[tuple[Message, ...], str]:
    """The primary chat model: instruction → output."""
    return (Message("user", pair["instruction"]),), pair["output"]


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
