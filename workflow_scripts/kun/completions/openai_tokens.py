"""Asking servers with prompts of token ids: what the model sees is to the token what the other engines show it.

A tokenizer must not be used by two threads, because encoding changes its state: prompts are encoded in a thread of the engine's, and what
the servers' thread decodes with is a copy.
"""

import copy
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from kun.completions.chat import encode_chat, encode_document, end_of_turn, single_token
from kun.completions.fitting import Fitted, fitted, room_for_completion
from kun.completions.openai_calls import Calls, GivenUp, Refused
from kun.completions.openai_replies import (
    LEAST,
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
from kun.completions.requests import (
    Choose,
    Completion,
    Generate,
    Read,
    Request,
    completion_of_choice,
    completion_of_read,
    does_not_fit,
)

Answering = Callable[[], Coroutine[Any, Any, Completion]]


class Tokens:
    def __init__(self, tokenizer: Any, calls: Calls, served: Served, context: int):
        self.tokenizer, self.calls, self.served, self.context = tokenizer, calls, served, context
        self.decoder = copy.deepcopy(tokenizer)
        self.ends = end_of_turn(tokenizer) if tokenizer.chat_template else []

    def answering(self, key: str, request: Request) -> Answering:
        """What will ask the servers. The prompt is encoded at once."""
        decoding = request.decoding
        if isinstance(decoding, Read):
            decoding.check_fits(self.context - 2)  # the begin of the document takes one, and servers draw one
            return partial(self._read, encode_document(self.tokenizer, request.messages[0].content), decoding)
        room = self.context - room_for_completion(self.context, decoding)
        fit = fitted(request, room, lambda messages: encode_chat(self.tokenizer, messages))
        if len(fit.prompt) > room:
            return partial(_known, does_not_fit(self.context, len(fit.prompt)))
        if isinstance(decoding, Choose):
            return partial(self._chosen, fit, decoding, [single_token(self.tokenizer, word) for word in decoding.among])
        return partial(self._generated, key, fit, decoding)

    async def _asked(self, prompt: list[int], **wanted: Any) -> dict[str, Any]:
        return await self.calls.post("/completions", {"model": self.served.name, "prompt": prompt, **wanted})

    async def _generated(self, key: str, fit: Fitted, decoding: Generate) -> Completion:
        wanted = drawing(decoding, key, self.served.make, room_for_completion(self.context, decoding))
        if self.ends != [self.tokenizer.eos_token_id]:
            wanted["stop_token_ids"] = self.ends  # servers know the one that the model's folder names
        if self.served.make == "vllm":
            wanted["return_token_ids"] = True
        try:
            reply = await self._asked(fit.prompt, **wanted)
        except Refused as refused:
            return failed(refused, len(fit.prompt), fit.cut)
        choice = reply["choices"][0]
        if choice.get("finish_reason") == "content_filter":
            return Completion("the server withheld its answer", "failed", len(fit.prompt), 0, cut=fit.cut)
        tokens = choice.get("token_ids")
        if tokens is None:
            text, length = choice["text"], tokens_drawn(reply)
        else:
            end = next((place for place, token in enumerate(tokens) if token in self.ends), None)
            text, length = self.decoder.decode(tokens[:end], skip_special_tokens=True), len(tokens)
        finish = "length" if choice.get("finish_reason") == "length" else "stop"
        return Completion(text, finish, len(fit.prompt), length, cut=fit.cut)

    async def _chosen(self, fit: Fitted, decoding: Choose, tokens: list[int]) -> Completion:
        wanted = {"max_tokens": 1, "temperature": 0, "logprobs": LIKELIEST}
        # vLLM gives just these; others take no notice of it.
        wanted |= {"logprob_token_ids": tokens, "return_tokens_as_token_ids": True}
        try:
            reply = await self._asked(fit.prompt, **wanted)
        except Refused as refused:
            return failed(refused, len(fit.prompt), fit.cut)
        found = likeliest(reply["choices"][0])
        values = []
        for word, token, names in zip(decoding.among, tokens, names_of(self.decoder, decoding, tokens), strict=True):
            value = value_of(names, token, found)
            if value is None:
                try:
                    echoed = await self._echoed([*fit.prompt, token])
                except Refused:
                    echoed = None
                if echoed is None:
                    return not_among(word, found, len(fit.prompt), fit.cut)
                value = echoed[-1]
            values.append(value)
        return completion_of_choice(decoding, values, len(fit.prompt), fit.cut)

    async def _read(self, ids: list[int], read: Read) -> Completion:
        total = 0.0
        for start, end, scored in read.windows(len(ids) - 1):
            try:
                values, words = await self._echoed(ids[start:end]), "its answers hold none"
            except Refused as refused:
                values, words = None, str(refused)
            if values is None:
                raise GivenUp(
                    "this server does not say how likely a prompt's own tokens are (echo with logprobs), so it cannot measure causal "
                    f"perplexity: {words}. Take vLLM's server, or engine.name vllm or transformers"
                )
            total += sum(values[scored - start :])
        return completion_of_read(read, len(ids) - 1, total)

    async def _echoed(self, prompt: list[int]) -> list[float] | None:
        """The log-probability of each of the prompt's tokens (0 for the first, which nothing predicts), or None if the server gives none.
        Raises Refused."""
        wanted = {"echo": True, "temperature": 0}
        try:
            reply = await self._asked(prompt, **wanted, max_tokens=0, logprobs=0)
        except Refused:  # some want to draw a token
            reply = await self._asked(prompt, **wanted, max_tokens=1, logprobs=1)
        stated = (reply["choices"][0].get("logprobs") or {}).get("token_logprobs") or []
        values = stated[1 : len(prompt)]
        if len(stated) not in (len(prompt), len(prompt) + 1) or None in values:
            return None
        return [0.0, *(value if value > LEAST else float("-inf") for value in values)]


async def _known(answer: Completion) -> Completion:
    return answer
