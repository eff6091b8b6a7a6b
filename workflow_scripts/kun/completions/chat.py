"""Messages to token ids, with text kept text.

The chat template's own pieces may contain control tokens; what stands in a message never may. So the template is rendered with
a mark in place of each content, and the contents are encoded apart from the template, with control tokens spelled out as plain
characters: `<|im_end|>` in a web page is ten characters, not the end of a turn. Training and every engine use this one function.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from kun.completions.requests import Message


def load_tokenizer(folder: str | Path, chat_template: str | Path | None, trust_remote_code: bool):
    """A model's tokenizer, with the template in the file `chat_template` where the model is used with another than its own."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    if chat_template:
        tokenizer.chat_template = Path(chat_template).read_text(encoding="utf-8")
    return tokenizer


def encode_chat(tokenizer, messages: Sequence[Message], answer_follows: bool = True) -> list[int]:
    """Token ids of a conversation. `answer_follows` ends it where the assistant is to speak."""
    ids: list[int] = []
    for piece, is_content in _pieces(tokenizer, messages, answer_follows):
        if piece:
            ids += encode_text(tokenizer, piece) if is_content else tokenizer.encode(piece, add_special_tokens=False)
    return ids


def encode_text(tokenizer, text: str) -> list[int]:
    """Token ids of a text in which nothing is a control token."""
    # Some control tokens are not called special (Qwen's <think>, <tool_call>), so splitting special ones lets them pass: cut them.
    added = (token.content for token in tokenizer.added_tokens_decoder.values() if not token.special)
    controls = "|".join(re.escape(token) for token in added if re.fullmatch(r"<.+>|\[.+\]", token))
    cuts = [found.start() + 1 for found in re.finditer(f"(?={controls})", text)] if controls else []
    parts = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    return [token for part in parts for token in tokenizer.encode(part, add_special_tokens=False, split_special_tokens=True)]


def encode_document(tokenizer, text: str) -> list[int]:
    """Token ids of a text after the token that says a document begins. Raises ValueError for a tokenizer without such a token."""
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    if start is None:
        raise ValueError("the tokenizer has neither BOS nor EOS to begin a document with; read texts with another model")
    return [start, *encode_text(tokenizer, text)]


def _pieces(tokenizer, messages: Sequence[Message], answer_follows: bool) -> list[tuple[str, bool]]:
    marks = [f"\ue000{number}\ue001" for number in range(len(messages))]  # private-use: normalised text has none
    stand_ins = [{"role": message.role, "content": mark} for message, mark in zip(messages, marks, strict=True)]
    rendered = tokenizer.apply_chat_template(stand_ins, tokenize=False, add_generation_prompt=answer_follows)
    pieces: list[tuple[str, bool]] = []
    for message, mark in zip(messages, marks, strict=True):
        before, found, rendered = rendered.partition(mark)
        if not found:
            raise ValueError(
                f"the chat template drops or reorders the {message.role} message; give another with models.chat_template"
            )
        pieces += [(before, False), (message.content, True)]
    pieces.append((rendered, False))
    if any("\ue000" in piece for piece, is_content in pieces if not is_content):
        raise ValueError("the chat template shows a message twice; give another with models.chat_template")
    return pieces


def end_of_turn(tokenizer) -> list[int]:
    """Token ids that end the assistant's turn: the tokenizer's end, and what the template puts after an answer if it is a control token."""
    after = _pieces(tokenizer, [Message("user", "问"), Message("assistant", "答")], False)[-1][0]
    closing = [token for token in tokenizer.encode(after, add_special_tokens=False)[:1] if token in tokenizer.all_special_ids]
    return sorted({tokenizer.eos_token_id, *closing})


def closing_token(tokenizer) -> int:
    """The one token that a trained answer ends with."""
    after = _pieces(tokenizer, [Message("user", "问"), Message("assistant", "答")], False)[-1][0]
    first = tokenizer.encode(after, add_special_tokens=False)[:1]
    return first[0] if first and first[0] in tokenizer.all_special_ids else tokenizer.eos_token_id


def single_token(tokenizer, word: str) -> int:
    """The id of a verdict word. Raises ValueError if it is not one token: its probability could not be read."""
    ids = tokenizer.encode(word, add_special_tokens=False)
    if len(ids) != 1:
        raise ValueError(
            f"each word of score.verdicts must be one token; {word!r} is {len(ids)} tokens of this model, so choose another, in the prompt as well"
        )
    return ids[0]
