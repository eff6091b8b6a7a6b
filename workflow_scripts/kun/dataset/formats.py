"""The formats that training programs load, each written record by record.

alpaca: a JSON array of {instruction, input, output}. messages: JSON lines of {messages: [{role, content}, …]}.
dataset_info.json registers both for LLaMA-Factory.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import orjson

from kun.books.tables import Row


def write_alpaca(pairs: Iterable[Row], path: Path) -> None:
    with path.open("wb") as stream:
        stream.write(b"[")
        for number, pair in enumerate(pairs):
            stream.write(b",\n" if number else b"\n")
            stream.write(orjson.dumps({"instruction": pair["instruction"], "input": "", "output": pair["output"]}))
        stream.write(b"\n]\n")


def write_messages(pairs: Iterable[Row], path: Path) -> None:
    with path.open("wb") as stream:
        for pair in pairs:
            turns = [{"role": "user", "content": pair["instruction"]}, {"role": "assistant", "content": pair["output"]}]
            stream.write(orjson.dumps({"messages": turns}) + b"\n")


def dataset_info(name: str, alpaca: str, messages: str) -> str:
    info = {
        f"{name}_alpaca": {"file_name": alpaca, "columns": {"prompt": "instruction", "query": "input", "response": "output"}},
        f"{name}_messages": {
            "file_name": messages,
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
        },
    }
    return json.dumps(info, ensure_ascii=False, indent=2) + "\n"
