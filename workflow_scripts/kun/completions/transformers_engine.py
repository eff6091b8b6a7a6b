"""The embedded engine: transformers in this process, on the CPU or one GPU.

A request's answer does not depend on the others of its batch, up to the rounding of matrix products: the chance of a draw comes from
the request's own seed, and padding is masked.
"""

from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)
from transformers.utils.logging import disable_progress_bar

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
from kun.completions.transformers_read import Reader
from kun.settings.completions import Engine


class SeededDraw(LogitsProcessor):
    """Gumbel-max: adding this noise and taking the largest is a draw from the softmax. One generator a row, seeded by the request."""

    def __init__(self, seeds: Sequence[int]):
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        uniform = torch.stack([torch.rand(scores.shape[-1], generator=generator) for generator in self.generators])
        return scores.float() - torch.log(-torch.log(uniform.clamp_min(1e-20))).to(scores.device)


class TransformersEngine:
    """Load once, then `complete` batches of requests of one kind."""

    def __init__(self, model: str, settings: Engine, chat_template: str | None = None, trust_remote_code: bool = False):
        torch.set_num_threads(settings.threads)
        device = settings.device if settings.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer = AutoTokenizer.from_pretrained(model, trust_remote_code=trust_remote_code)
        if chat_template:
            self.tokenizer.chat_template = Path(chat_template).read_text(encoding="utf-8")
        disable_progress_bar()
        loaded = AutoModelForCausalLM.from_pretrained(
            model, dtype=precision(settings.dtype, device), trust_remote_code=trust_remote_code, use_safetensors=True
        )
        self.model = loaded.eval().to(device)
        self.ends = end_of_turn(self.tokenizer) if self.tokenizer.chat_template else []  # texts are read without a template as well
        self.context = getattr(self.model.config, "max_position_embeddings", None) or self.tokenizer.model_max_length
        self.pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.tokenizer.eos_token_id

    @staticmethod
    def version() -> dict[str, str]:
        return {"name": "transformers", "transformers": version("transformers"), "torch": version("torch")}

    def complete(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Completion]:
        """Completions in the order of `requests`, which share one decoding."""
        decoding = requests[0].decoding
        if isinstance(decoding, Read):
            return self._read(requests, decoding)
        prompts = [encode_chat(self.tokenizer, request.messages) for request in requests]
        answers = [does_not_fit(self.context, len(prompt)) for prompt in prompts]
        for places in self._companies(requests, prompts):
            found = self._answers([requests[p] for p in places], [prompts[p] for p in places], [seeds[p] for p in places])
            for place, answer in zip(places, found, strict=True):
                answers[place] = answer
        return answers

    @cached_property
    def reader(self) -> Reader:
        return Reader(self.model)

    def _read(self, requests: Sequence[Request], read: Read) -> list[Completion]:
        read.check_fits(self.context - 1)  # the begin of the document takes one
        documents = [encode_document(self.tokenizer, request.messages[0].content) for request in requests]
        return [
            completion_of_read(read, len(document) - 1, total)
            for document, total in zip(documents, self.reader.sums(documents, read), strict=True)
        ]

    def _companies(self, requests: Sequence[Request], prompts: list[list[int]]) -> list[list[int]]:
        """Places of the requests that fit, as they are computed together. One that the context leaves less room than it may use is
        alone: a batch stops at one length, and the others' answers must not end where its context does."""
        wanted = [request.decoding.max_tokens if isinstance(request.decoding, Generate) else 1 for request in requests]
        room = [self.context - len(prompt) for prompt in prompts]
        together = [place for place in range(len(prompts)) if room[place] >= wanted[place]]
        alone = [[place] for place in range(len(prompts)) if 0 < room[place] < wanted[place]]
        return [*([together] if together else []), *alone]

    def _answers(self, requests: Sequence[Request], prompts: list[list[int]], seeds: Sequence[int]) -> list[Completion]:
        longest = max(map(len, prompts))
        # Padded with a token of the prompt itself: the repetition penalty looks at what is masked as well.
        ids = torch.tensor([prompt[:1] * (longest - len(prompt)) + prompt for prompt in prompts], device=self.model.device)
        mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=self.model.device)
        decoding = requests[0].decoding
        with torch.inference_mode():
            if isinstance(decoding, Choose):
                return self._chosen(ids, mask, decoding, prompts)
            return self._generated(ids, mask, decoding, prompts, seeds)

    def _chosen(self, ids: torch.Tensor, mask: torch.Tensor, decoding: Choose, prompts: list[list[int]]) -> list[Completion]:
        tokens = [single_token(self.tokenizer, word) for word in decoding.among]
        logits = self.model(input_ids=ids, attention_mask=mask, position_ids=_positions(mask), logits_to_keep=1).logits[:, -1]
        logprobs = torch.log_softmax(logits.float(), dim=-1)[:, tokens].cpu()
        return [completion_of_choice(decoding, row, len(prompt)) for row, prompt in zip(logprobs.tolist(), prompts, strict=True)]

    def _generated(
        self, ids: torch.Tensor, mask: torch.Tensor, decoding: Generate, prompts: list[list[int]], seeds: Sequence[int]
    ) -> list[Completion]:
        draws = LogitsProcessorList()
        if decoding.temperature > 0:
            draws += [TemperatureLogitsWarper(decoding.temperature), TopPLogitsWarper(decoding.top_p), SeededDraw(seeds)]
        output = self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=False,  # the draw is in the processors
            logits_processor=draws,
            repetition_penalty=decoding.repetition_penalty,
            max_new_tokens=min(decoding.max_tokens, self.context - ids.shape[1]),
            eos_token_id=self.ends,
            pad_token_id=self.pad,
        )
        return [self._completion(row, len(prompt)) for row, prompt in zip(output[:, ids.shape[1] :].tolist(), prompts, strict=True)]

    def _completion(self, tokens: list[int], prompt_tokens: int) -> Completion:
        end = next((place for place, token in enumerate(tokens) if token in self.ends), None)
        text = self.tokenizer.decode(tokens[:end], skip_special_tokens=True)
        finish = "length" if end is None else "stop"
        return Completion(text, finish, prompt_tokens, len(tokens) if end is None else end + 1)


def _positions(mask: torch.Tensor) -> torch.Tensor:
    """Positions that count real tokens only, so that left padding shifts nothing."""
    return (mask.cumsum(-1) - 1).clamp_min(0)
