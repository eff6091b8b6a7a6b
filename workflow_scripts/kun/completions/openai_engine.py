"""The engine for models that servers run: anything with OpenAI's interface (vLLM, SGLang, llama.cpp, a provider). Requests stream out to
the servers and answers stream in as they come.

Who answers is known by the name of the model alone: that the servers have the weights that the model's description tells of is up to
those who start them.
"""

import asyncio
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from kun.completions.ask import Asked
from kun.completions.chat import load_tokenizer
from kun.completions.openai_calls import Calls, GivenUp
from kun.completions.openai_chat import Chat
from kun.completions.openai_replies import Served
from kun.completions.openai_tokens import Tokens
from kun.completions.requests import Completion, Request
from kun.settings.completions import OpenAI
from kun.settings.models import SERVED

MAKES = ("vllm", "sglang", "llamacpp")  # as they call themselves in the list of models
KEYS = ("KUN_OPENAI_KEY", "OPENAI_API_KEY")


class OpenAIEngine:
    """Find out what the servers have, then `submit` requests and take what is `finished`."""

    def __init__(self, model: dict[str, Any], settings: OpenAI, trust_remote_code: bool = False):
        if not settings.servers or isinstance(settings.servers, dict):
            raise SystemExit("engine.openai.servers: name at least one for this model, as http://node7:8000/v1")
        tokenizer = load_tokenizer(model["path"], model.get("chat_template"), trust_remote_code) if model.get("path") else None
        if tokenizer is None and settings.prompts == "tokens":
            raise SystemExit(f"{model['name']} has no tokenizer here, so it is asked with engine.openai.prompts: chat only")
        self.at_once = settings.at_once * len(settings.servers)
        self.open = 0
        # Prompts are encoded when their turn is near, beside the thread that takes answers: one that is killed has kept what came.
        self.near = asyncio.Semaphore(2 * self.at_once)
        self.encoder = ThreadPoolExecutor(1, "encoder")
        self.results: SimpleQueue[tuple[str, Completion | Exception]] = SimpleQueue()
        self.fault: Exception | None = None
        self.calls = Calls(
            settings.servers, _key(), settings.at_once, 60 * settings.timeout_minutes, 60 * settings.patience_minutes
        )
        try:
            self.served = self.calls.start(_served(self.calls, model, settings)).result()
        except GivenUp as fault:
            self.close()
            raise SystemExit(str(fault)) from None
        context = self.served.context
        if settings.prompts == "tokens":
            self.way: Tokens | Chat = Tokens(tokenizer, self.calls, self.served, context or _context(model, tokenizer))
        else:
            self.way = Chat(tokenizer, self.calls, self.served, context)

    def version(self) -> dict[str, str]:
        """What answers, without saying where."""
        return {"name": "openai", "server": self.served.version, "prompts": type(self.way).__name__.lower()}

    @property
    def hungry(self) -> bool:
        return self.open < 2 * self.at_once

    def submit(self, batch: list[Asked]) -> None:
        for key, request in batch:
            self.open += 1
            self.calls.start(self._answer(key, request))

    async def _answer(self, key: str, request: Request) -> None:
        result: Completion | Exception
        async with self.near:
            try:
                ask = await self.calls.loop.run_in_executor(self.encoder, self.way.answering, key, request)
                result = await ask()
            except Exception as fault:  # it belongs to the thread that waits for it
                result = fault
        self.results.put((key, result))

    def close(self) -> None:
        """End the threads; what is on its way is dropped."""
        self.encoder.shutdown(wait=False, cancel_futures=True)
        self.calls.close()

    def finished(self) -> dict[str, Completion]:
        """Answers that have come; waits until there is one."""
        answers: dict[str, Completion] = {}
        while self.open and not self.fault:
            try:
                key, result = self.results.get(block=not answers)
            except Empty:
                break
            if isinstance(result, Completion):
                answers[key] = result
                self.open -= 1
            else:
                self.fault = result
        if self.fault and not answers:
            self.close()
            if isinstance(self.fault, GivenUp):
                raise SystemExit(str(self.fault)) from None
            raise self.fault
        return answers


def _key() -> str | None:
    """The key from the environment, the one place where it may stand."""
    name = next((name for name in KEYS if os.environ.get(name, "").strip()), None)
    if name is None:
        return None
    key = os.environ[name].strip()
    if not re.fullmatch(r"[!-~]+", key):
        raise SystemExit(f"{name}: a key has no spaces, no line ends and no characters outside ASCII")
    return key


def _context(model: dict[str, Any], tokenizer: Any) -> int:
    """Tokens of the longest prompt with its completion, as the model's folder says."""
    stated = Path(model["path"]) / "config.json"
    known = json.loads(stated.read_text(encoding="utf-8")) if stated.is_file() else {}
    return known.get("max_position_embeddings") or tokenizer.model_max_length


async def _served(calls: Calls, model: dict[str, Any], settings: OpenAI) -> Served:
    """What the servers that can be reached say about the model. Raises GivenUp."""
    listed = await calls.models()
    name = settings.model or (model["name"].removeprefix(SERVED) if str(model.get("name")).startswith(SERVED) else None)
    entries = [(address, entry) for address, entries in listed.items() for entry in entries]
    names = sorted({str(entry.get("id")) for _, entry in entries})
    if name is None:
        if len(names) != 1:
            raise GivenUp(
                f"engine.openai.model: name one of what the servers list: {', '.join(names) or 'nothing (an address ends in /v1)'}"
            )
        [name] = names
    elif names and name not in names:
        raise GivenUp(f"engine.openai.model: the servers have no {name!r}; they list {', '.join(names)}")
    of_it = [(address, entry) for address, entry in entries if entry.get("id") == name]
    contexts = [settings.context, *(entry.get("max_model_len") for _, entry in of_it)]
    make = next((str(entry.get("owned_by")) for _, entry in of_it if entry.get("owned_by") in MAKES), "")
    address = next(iter(listed))
    return Served(
        name,
        make,
        await _version(calls, address, make),
        min((length for length in contexts if isinstance(length, int)), default=None),
    )


async def _version(calls: Calls, address: str, make: str) -> str:
    """The server's program in words. A header may say more than it should, so only a program's name and number are taken from it."""
    if make == "vllm":
        said = await calls.look(address.removesuffix("/v1") + "/version")
        found = re.search(r'"version"\s*:\s*"([\w.+-]{1,60})"', said.text) if said is not None else None
        return f"vllm {found[1]}" if found else "vllm"
    said = await calls.look(f"{address}/models")
    stated = re.match(r"[A-Za-z]{2,20}/[0-9][0-9.]{0,15}(?![\w.-])", said.headers.get("Server", "")) if said is not None else None
    return make or (stated[0] if stated else "unknown")
