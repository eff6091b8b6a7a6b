"""The engine for many requests: vLLM in this process, on GPUs; on a CPU for trials.

vLLM takes token ids and gives token ids back, so it sees no text and makes none: encoding and decoding are those of the other engine.
A draw comes from the request's own seed. Rounding depends on what is computed together, which vLLM decides by itself, so an answer is
not promised to the last bit: the recorded one is the truth.
"""

import os
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer

from kun.completions.chat import encode_chat, encode_document, end_of_turn, single_token
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
except ImportError as error:
    raise SystemExit(
        f"engine.name is vllm, but vLLM cannot be imported ({error}). `make install-vllm` installs envs/vllm-cpu.lock, or "
        "envs/vllm-cuda.lock where torch is a CUDA build; `engine: {name: transformers}` does without"
    ) from None

STEP = 8192  # tokens computed at once
# Tokens of one prompt computed at once: reading makes float32 log-probabilities of these × vocabulary, about three times over.
PIECE = 1024


class VllmEngine:
    """Load once, then `complete` batches of requests of one kind."""

    def __init__(self, model: str, settings: Engine, chat_template: str | None = None, trust_remote_code: bool = False):
        self.tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=trust_remote_code)
        if chat_template:
            self.tokenizer.chat_template = Path(chat_template).read_text(encoding="utf-8")
        self.ends = end_of_turn(self.tokenizer) if self.tokenizer.chat_template else []
        if ON_CPU:
            torch.set_num_threads(settings.threads)
            memory = {"kv_cache_memory_bytes": int(settings.vllm.cpu_cache_gigabytes * 2**30)}
        else:
            memory = {"gpu_memory_utilization": settings.vllm.gpu_memory}
        self.llm = LLM(
            model,
            skip_tokenizer_init=True,
            trust_remote_code=trust_remote_code,
            dtype=precision(settings.dtype, "cpu" if ON_CPU else "cuda"),
            tensor_parallel_size=settings.vllm.tensor_parallel,
            max_model_len=settings.vllm.context,
            max_num_batched_tokens=STEP,
            long_prefill_token_threshold=PIECE,
            enforce_eager=settings.vllm.eager or ON_CPU,
            use_tqdm_on_load=False,
            generation_config="vllm",  # not the folder's: what a request does not say has no say
            **memory,
        )
        self.context = self.llm.model_config.max_model_len

    @staticmethod
    def version() -> dict[str, str]:
        return {"name": "vllm", "vllm": _version_of_vllm(), "transformers": version("transformers"), "torch": version("torch")}

    def complete(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Completion]:
        """Completions in the order of `requests`, which share one decoding."""
        decoding = requests[0].decoding
        if isinstance(decoding, Read):
            return self._read(requests, decoding)
        prompts = [encode_chat(self.tokenizer, request.messages) for request in requests]
        fits = [place for place, prompt in enumerate(prompts) if len(prompt) < self.context]
        run = self._chosen if isinstance(decoding, Choose) else self._generated
        found = run(decoding, [prompts[place] for place in fits], [seeds[place] for place in fits])
        answers = [does_not_fit(self.context, len(prompt)) for prompt in prompts]
        for place, answer in zip(fits, found, strict=True):
            answers[place] = answer
        return answers

    def _run(self, prompts: list[list[int]], wanted: list[SamplingParams]) -> list[Any]:
        """vLLM's outputs, in order."""
        if not prompts:
            return []
        return self.llm.generate([{"prompt_token_ids": prompt} for prompt in prompts], wanted, use_tqdm=False)

    def _generated(self, decoding: Generate, prompts: list[list[int]], seeds: list[int]) -> list[Completion]:
        wanted = [
            SamplingParams(
                max_tokens=min(decoding.max_tokens, self.context - len(prompt)),
                temperature=decoding.temperature,
                top_p=decoding.top_p,
                repetition_penalty=decoding.repetition_penalty,
                seed=seed,
                stop_token_ids=self.ends,
                detokenize=False,
            )
            for prompt, seed in zip(prompts, seeds, strict=True)
        ]
        outputs = (output.outputs[0].token_ids for output in self._run(prompts, wanted))
        return [self._completion(list(tokens), len(prompt)) for tokens, prompt in zip(outputs, prompts, strict=True)]

    def _completion(self, tokens: list[int], prompt_tokens: int) -> Completion:
        stopped = bool(tokens) and tokens[-1] in self.ends
        text = self.tokenizer.decode(tokens[:-1] if stopped else tokens, skip_special_tokens=True)
        return Completion(text, "stop" if stopped else "length", prompt_tokens, len(tokens))

    def _chosen(self, decoding: Choose, prompts: list[list[int]], seeds: list[int]) -> list[Completion]:
        tokens = [single_token(self.tokenizer, word) for word in decoding.among]
        wanted = SamplingParams(max_tokens=1, temperature=0, logprob_token_ids=tokens, detokenize=False)
        found = (output.outputs[0].logprobs[0] for output in self._run(prompts, [wanted] * len(prompts)))
        return [
            completion_of_choice(decoding, [logprobs[token].logprob for token in tokens], len(prompt))
            for logprobs, prompt in zip(found, prompts, strict=True)
        ]

    def _read(self, requests: Sequence[Request], read: Read) -> list[Completion]:
        read.check_fits(self.context - 2)  # the begin of the document takes one, and vLLM always draws one
        documents = [encode_document(self.tokenizer, request.messages[0].content) for request in requests]
        spans = [(place, *window) for place, ids in enumerate(documents) for window in read.windows(len(ids) - 1)]
        wanted = SamplingParams(max_tokens=1, temperature=0, prompt_logprobs=0, flat_logprobs=True, detokenize=False)
        outputs = self._run([documents[place][start:end] for place, start, end, _ in spans], [wanted] * len(spans))
        totals = [0.0] * len(documents)
        for (place, start, _, scored), output in zip(spans, outputs, strict=True):
            # The first token of a window is predicted by nothing and has no entry.
            totals[place] += sum(output.prompt_logprobs.logprobs[scored - start - 1 :])
        return [completion_of_read(read, len(ids) - 1, total) for ids, total in zip(documents, totals, strict=True)]


def _version_of_vllm() -> str:
    """vLLM's CPU build is a distribution of another name."""
    try:
        return version("vllm")
    except PackageNotFoundError:
        return version("vllm-cpu") + "+cpu"
