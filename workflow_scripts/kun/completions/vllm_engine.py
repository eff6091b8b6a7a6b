"""The engine for many requests: vLLM in this process, on GPUs; on a CPU for trials. Requests stream in and answers stream out as they
are finished: vLLM computes continuously and is never drained to begin something new.

vLLM takes token ids and gives token ids back, so it sees no text and makes none: encoding and decoding are those of the other engine.
A draw comes from the request's own seed. Rounding depends on what is computed together, which vLLM decides by itself, so an answer is
not promised to the last bit: the recorded one is the truth.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from itertools import count
from typing import Any

import torch

from kun.completions.ask import Asked
from kun.completions.chat import encode_chat, encode_document, end_of_turn, load_tokenizer, single_token
from kun.completions.fitting import Fitted, fitted, room_for_completion
from kun.completions.hardware import precision
from kun.completions.requests import (
    Choose,
    Completion,
    Generate,
    Read,
    Request,
    completion_of_choice,
    completion_of_read,
    does_not_fit,
    seed_of,
)
from kun.settings.completions import Engine

# vLLM reads these when it is imported. What a person has set stays.
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
ON_CPU = not torch.cuda.is_available()
if ON_CPU:
    os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # a process of its own pays on GPUs only
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")  # several jobs share a machine

try:
    from vllm import LLM, SamplingParams
    from vllm.sampling_params import RequestOutputKind
except ImportError as error:
    raise SystemExit(
        f"engine.name is vllm, but vLLM cannot be imported ({error}). `make install-vllm` installs envs/vllm-cpu.lock, or "
        "envs/vllm-cuda.lock where torch is a CUDA build; `engine: {name: transformers}` does without"
    ) from None

STEP = 8192  # tokens computed at once
# Tokens of one prompt computed at once: reading makes float32 log-probabilities of these × vocabulary, about three times over.
PIECE = 1024


# What this engine decides itself: another value would give other answers, or take the text for something else than text.
OURS = (
    "model",
    "tokenizer",
    "skip_tokenizer_init",
    "trust_remote_code",
    "generation_config",
    "tensor_parallel_size",
    "logprobs_mode",
)


class VllmEngine:
    """Load once, then `submit` requests and take what is `finished`."""

    def __init__(
        self,
        model: str,
        settings: Engine,
        chat_template: str | None = None,
        trust_remote_code: bool = False,
        gpus: int = 0,
        speculate: int = 0,
    ):
        self.tokenizer = load_tokenizer(model, chat_template, trust_remote_code)
        self.ends = end_of_turn(self.tokenizer) if self.tokenizer.chat_template else []
        if foreign := sorted(set(OURS) & settings.vllm.arguments.keys()):
            raise SystemExit(f"engine.vllm.arguments: {', '.join(foreign)} cannot be given there; kun decides on it")
        if ON_CPU:
            torch.set_num_threads(settings.threads)
        self.llm = LLM(model, trust_remote_code=trust_remote_code, **arguments(settings, gpus, speculate))
        self.context = self.llm.model_config.max_model_len
        self.at_once = self.llm.llm_engine.vllm_config.scheduler_config.max_num_seqs
        self.open: dict[str, _Open] = {}  # by key; what is not finished
        self.numbers = count()

    @staticmethod
    def version() -> dict[str, str]:
        return {"name": "vllm", "vllm": _version_of_vllm(), "transformers": version("transformers"), "torch": version("torch")}

    @property
    def hungry(self) -> bool:
        """With so many waiting, the next ones arrive long before vLLM has a place without a request."""
        return len(self.open) < 2 * self.at_once

    def submit(self, batch: list[Asked]) -> None:
        for key, request in batch:
            self.open[key] = self._opened(key, request)
            for part, (prompt, wanted) in enumerate(self.open[key].parts):
                wanted.output_kind = RequestOutputKind.FINAL_ONLY
                self.llm.llm_engine.add_request(f"{next(self.numbers)}.{part}.{key}", {"prompt_token_ids": prompt}, wanted)

    def finished(self) -> dict[str, Completion]:
        """Answers that have come; computes until there is one."""
        answers = {key: found.answer([]) for key, found in self.open.items() if not found.parts}
        engine = self.llm.llm_engine
        while not answers and engine.has_unfinished_requests():
            for output in engine.step():
                if output.finished:
                    _, part, key = output.request_id.split(".")
                    found = self.open[key]
                    found.outputs[int(part)] = output
                    if len(found.outputs) == len(found.parts):
                        answers[key] = found.answer([found.outputs[part] for part in range(len(found.parts))])
        for key in answers:
            del self.open[key]
        return answers

    def _opened(self, key: str, request: Request) -> "_Open":
        decoding = request.decoding
        if isinstance(decoding, Read):
            return self._read(request.messages[0].content, decoding)
        room = self.context - room_for_completion(self.context, decoding)
        fit = fitted(request, room, lambda messages: encode_chat(self.tokenizer, messages))
        if len(fit.prompt) > room:
            return _Open([], lambda outputs: does_not_fit(self.context, len(fit.prompt)))
        if isinstance(decoding, Choose):
            return self._chosen(fit, decoding)
        return self._generated(fit, decoding, seed_of(key))

    def _generated(self, fit: Fitted, decoding: Generate, seed: int) -> "_Open":
        wanted = SamplingParams(
            max_tokens=room_for_completion(self.context, decoding),
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            repetition_penalty=decoding.repetition_penalty,
            seed=seed,
            stop_token_ids=self.ends,
            detokenize=False,
        )

        def answer(outputs: list[Any]) -> Completion:
            tokens = list(outputs[0].outputs[0].token_ids)
            stopped = bool(tokens) and tokens[-1] in self.ends
            text = self.tokenizer.decode(tokens[:-1] if stopped else tokens, skip_special_tokens=True)
            return Completion(text, "stop" if stopped else "length", len(fit.prompt), len(tokens), cut=fit.cut)

        return _Open([(fit.prompt, wanted)], answer)

    def _chosen(self, fit: Fitted, decoding: Choose) -> "_Open":
        tokens = [single_token(self.tokenizer, word) for word in decoding.among]
        wanted = SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=tokens, detokenize=False)

        def answer(outputs: list[Any]) -> Completion:
            logprobs = outputs[0].outputs[0].logprobs[0]
            return completion_of_choice(decoding, [logprobs[token].logprob for token in tokens], len(fit.prompt), fit.cut)

        return _Open([(fit.prompt, wanted)], answer)

    def _read(self, text: str, read: Read) -> "_Open":
        """A part for each window of the text."""
        read.check_fits(self.context - 2)  # the begin of the document takes one, and vLLM always draws one
        ids = encode_document(self.tokenizer, text)
        windows = read.windows(len(ids) - 1)

        def answer(outputs: list[Any]) -> Completion:
            # The first token of a window is predicted by nothing and has no entry.
            found = zip(windows, outputs, strict=True)
            total = sum(sum(output.prompt_logprobs.logprobs[scored - start - 1 :]) for (start, _, scored), output in found)
            return completion_of_read(read, len(ids) - 1, float(total))

        return _Open([(ids[start:end], _reading()) for start, end, _ in windows], answer)


@dataclass
class _Open:
    """A request on its way: what vLLM is asked, in parts, and how the answer is made of its outputs."""

    parts: list[tuple[list[int], SamplingParams]]
    answer: Callable[[list[Any]], Completion]
    outputs: dict[int, Any] = field(default_factory=dict)


def _reading() -> SamplingParams:
    return SamplingParams(max_tokens=1, temperature=0, prompt_logprobs=0, flat_logprobs=True, detokenize=False)


def arguments(settings: Engine, gpus: int, speculate: int) -> dict[str, Any]:
    """What vLLM's LLM is made with. The configuration's own arguments come last."""
    # On a CPU a prompt is computed whole: a seeded draw after a prompt in pieces ends vLLM 0.32 ("CPU Generator does not use offset").
    on_cpu = {
        "kv_cache_memory_bytes": int(settings.vllm.cpu_cache_gigabytes * 2**30),
        "block_size": 32,  # its default of 128 tokens is longer than most prompts' fixed part, of which then nothing would be cached
        "enable_chunked_prefill": False,
        "long_prefill_token_threshold": 0,
        "max_num_batched_tokens": max(STEP, settings.vllm.context) if settings.vllm.context else None,
    }
    guess = {"method": "ngram", "num_speculative_tokens": speculate, "prompt_lookup_min": 2, "prompt_lookup_max": 5}
    return {
        "skip_tokenizer_init": True,
        "dtype": precision(settings.dtype, "cpu" if ON_CPU else "cuda"),
        "tensor_parallel_size": max(1, gpus),
        "max_model_len": settings.vllm.context,
        "max_num_batched_tokens": STEP,
        "long_prefill_token_threshold": PIECE,
        "enable_prefix_caching": True,
        "enforce_eager": settings.vllm.eager or ON_CPU,
        "use_tqdm_on_load": False,
        "generation_config": "vllm",  # not the folder's: what a request does not say has no say
        **({"speculative_config": guess} if speculate else {}),
        **(on_cpu if ON_CPU else {"gpu_memory_utilization": settings.vllm.gpu_memory}),
        **settings.vllm.arguments,
    }


def _version_of_vllm() -> str:
    """vLLM's CPU build is a distribution of another name."""
    try:
        return version("vllm")
    except PackageNotFoundError:
        return version("vllm-cpu") + "+cpu"
