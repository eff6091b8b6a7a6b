"""Asking servers with messages, for models without a tokenizer here and servers without prompts of token ids.

The server encodes the text, so a control token in it could act as one. Each is broken up by an invisible character; those of the model's
own tokenizer where there is one, else the usual ones. That is what is possible from outside.
"""

import re
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from kun.completions.chat import single_token
from kun.completions.fitting import ENDS, room_for_completion
from kun.completions.openai_calls import Calls, GivenUp, Refused
from kun.completions.openai_replies import (
    LIKELIEST,
    Served,
    drawing,
    failed,
    likeliest,
    names_of,
    not_among,
    tokens_drawn,
    value_of,
)
from kun.completions.requests import Choose, Completion, Message, Read, Request, completion_of_choice

BREAK = "\u2060"  # word joiner: no width, no space
USUAL = (
    r"<\|[^|<>\s]{1,40}\|>|<｜[^｜<>\s]{1,40}｜>|</?s>|<(?:bos|eos|pad|unk|mask)>|</?(?:think|tool_call|tool_response|tools)>"
    r"|<(?:start|end)_of_turn>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|gMASK|sMASK|MASK|CLS|SEP|PAD|UNK)\]|<</?SYS>>"
)
TOO_LONG = re.compile(
    r"context[ _](?:length|size|window)|maximum (?:model|context|input|prompt)|max_model_len|too (?:long|many tokens)|longer than|exceeds?\b.*token",
    re.IGNORECASE,
)


class Chat:
    def __init__(self, tokenizer: Any | None, calls: Calls, served: Served, context: int | None):
        self.tokenizer, self.calls, self.served, self.context = tokenizer, calls, served, context
        self.controls = re.compile(f"(?s)(?=(?:{controls_of(tokenizer) if tokenizer else USUAL}))(.)")

    def answering(self, key: str, request: Request) -> Callable[[], Coroutine[Any, Any, Completion]]:
        if isinstance(request.decoding, Read):
            return self._cannot_read
        return partial(self._answered, key, request)

    async def _cannot_read(self) -> Completion:
        raise GivenUp("causal perplexity needs engine.openai.prompts: tokens")

    async def _answered(self, key: str, request: Request) -> Completion:
        decoding, text = request.decoding, request.shown.text if request.shown else ""
        assert not isinstance(decoding, Read)
        tokens = None
        if isinstance(decoding, Choose):
            wanted: dict[str, Any] = {"max_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": LIKELIEST}
            if self.tokenizer:
                tokens = [single_token(self.tokenizer, word) for word in decoding.among]
            if self.served.make == "vllm" and tokens:
                wanted |= {"logprob_token_ids": tokens, "return_tokens_as_token_ids": True}
        else:
            room = room_for_completion(self.context, decoding) if self.context else decoding.max_tokens
            wanted = drawing(decoding, key, self.served.make, room)
        messages, cut = request.messages, None
        while True:
            try:
                reply = await self._asked(messages, wanted)
                break
            except Refused as refused:
                if not (request.shown and text and cut != 0 and TOO_LONG.search(refused.words)):
                    return failed(refused, cut=cut)
            cut = end_before(text, (len(text) if cut is None else cut) * 3 // 4)
            messages = request.shown.messages(text[:cut])
        choice, length = reply["choices"][0], int((reply.get("usage") or {}).get("prompt_tokens") or 0)
        if choice.get("finish_reason") == "content_filter":
            return Completion("the server withheld its answer", "failed", length, 0, cut=cut)
        if isinstance(decoding, Choose):
            found, values = likeliest(choice), []
            for place, names in enumerate(names_of(self.tokenizer, decoding, tokens)):
                value = value_of(names, tokens[place] if tokens else None, found)
                if value is None:
                    return not_among(decoding.among[place], found, length, cut)
                values.append(value)
            return completion_of_choice(decoding, values, length, cut)
        said = choice["message"].get("content") or ""
        return Completion(
            said, "length" if choice.get("finish_reason") == "length" else "stop", length, tokens_drawn(reply), cut=cut
        )

    async def _asked(self, messages: tuple[Message, ...], wanted: dict[str, Any]) -> dict[str, Any]:
        said = [{"role": message.role, "content": self.controls.sub(rf"\1{BREAK}", message.content)} for message in messages]
        return await self.calls.post("/chat/completions", {"model": self.served.name, "messages": said, **wanted})


def controls_of(tokenizer: Any) -> str:
    """A pattern for the tokenizer's control tokens."""
    added = tokenizer.added_tokens_decoder.values()
    found = {token.content for token in added if token.special or re.fullmatch(r"<.+>|\[.+\]", token.content)}
    return "|".join(re.escape(token) for token in sorted(found | set(tokenizer.all_special_tokens)) if token.strip()) or USUAL


def end_before(text: str, limit: int) -> int:
    """The last place up to `limit` where the text may end."""
    for end in ENDS:
        if cuts := [found.end() for found in end.finditer(text) if found.end() <= limit]:
            return cuts[-1]
    return 0
