"""The embedded engine: transformers in this process, on the CPU or one GPU.

A request's answer does not depend on the others of its batch, up to the rounding of matrix products: the chance of a draw comes from
the request's own seed, and padding is masked.
"""

from collections import deque
from collections.abc import Sequence
from functools import cached_property
from importlib.metadata import version

import torch
from transformers import (
    AutoModelForCausalLM,
    LogitsProcessor,
    LogitsProcessorList,
)
from transformers.utils.logging import disable_progress_bar

from kun.completions.ask import Asked
from kun.completions.chat import encode_chat, encode_document, end_of_turn, load_tokenizer, single_token
from kun.completions.fitting import Fitted, fitted, room_for_completion
from kun.completions.hardware import precision
from kun.completions.requests import (
    Choose,
    Completion,
    Generate,
    Message,
    Read,
    Request,
    completion_of_choice,
    completion_of_read,
    does_not_fit,
    seed_of,
)
from kun.completions.transformers_read import Reader
from kun.settings.completions import Engine

USUAL = 256  # tokens that nearly always hold the probability that top_p asks for


class SeededDraw(LogitsProcessor):
    """Draws from the softmax by one uniform number a row and step, from the request's own generator: the first token, in the order of the
    vocabulary, at which the cumulative probability exceeds it. All others are taken out, so that the greedy choice is the draw."""

    def __init__(self, seeds: Sequence[int], steps: int, decoding: Generate, device: torch.device):
        rows = [torch.rand(steps, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) for seed in seeds]
        # [steps, rows]. Rounding must not make a 1 of them: the token that it would draw may be one that was ruled out.
        self.numbers = torch.stack(rows, dim=1).float().clamp_max(1 - 2**-24).to(device)
        self.temperature, self.top_p, self.step = decoding.temperature, decoding.top_p, 0

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        cumulative = nucleus((scores.float() / self.temperature).softmax(-1), self.top_p).cumsum(-1)
        aim = self.numbers[self.step][:, None] * cumulative[:, -1:]
        drawn = torch.searchsorted(cumulative, aim, right=True).clamp_max(scores.shape[-1] - 1)
        self.step += 1
        return torch.full_like(scores, -torch.inf).scatter_(-1, drawn, 0.0)


def nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """The probabilities [rows, vocabulary] of the fewest tokens that hold `top_p` together, and 0 for all others (Holtzman et al.,
    arXiv 1904.09751). What transformers does by sorting the vocabulary, in a tenth of the time: a few tokens nearly always hold it."""
    if top_p >= 1:
        return probabilities
    for count in (min(USUAL, probabilities.shape[-1]), probabilities.shape[-1]):
        largest = probabilities.topk(count).values
        before = largest.cumsum(-1) - largest
        if bool((before[:, -1] + largest[:, -1] >= top_p).all()):
            break
    least = largest.masked_fill(before >= top_p, torch.inf).amin(-1, keepdim=True)
    return probabilities.where(probabilities >= least, 0)


class TransformersEngine:
    """Load once, then `submit` batches and take what is `finished`: one batch at a time, computed when it is asked for."""

    def __init__(self, model: str, settings: Engine, chat_template: str | None = None, trust_remote_code: bool = False):
        torch.set_num_threads(settings.threads)
        device = settings.device if settings.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        self.tokenizer = load_tokenizer(model, chat_template, trust_remote_code)
        disable_progress_bar()
        loaded = AutoModelForCausalLM.from_pretrained(
            model, dtype=precision(settings.dtype, device), trust_remote_code=trust_remote_code, use_safetensors=True
        )
        self.model = loaded.eval().to(device)
        self.ends = end_of_turn(self.tokenizer) if self.tokenizer.chat_template else []  # texts are read without a template as well
        self.context = getattr(self.model.config, "max_position_embeddings", None) or self.tokenizer.model_max_length
        self.batches: deque[list[Asked]] = deque()
        self.pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.tokenizer.eos_token_id

    @staticmethod
    def version() -> dict[str, str]:
        return {"name": "transformers", "transformers": version("transformers"), "torch": version("torch")}

    @property
    def hungry(self) -> bool:
        return not self.batches

    def submit(self, batch: list[Asked]) -> None:
        self.batches.append(batch)

    def finished(self) -> dict[str, Completion]:
        """The next batch's answers."""
        if not self.batches:
            return {}
        keys, requests = zip(*self.batches.popleft(), strict=True)
        return dict(zip(keys, self._complete(requests, [seed_of(key) for key in keys]), strict=True))

    def _complete(self, requests: Sequence[Request], seeds: Sequence[int]) -> list[Completion]:
        """Completions in the order of `requests`, which share one decoding."""
        decoding = requests[0].decoding
        if isinstance(decoding, Read):
            return self._read(requests, decoding)
        room = self.context - room_for_completion(self.context, decoding)
        prompts = [fitted(request, room, self._encode) for request in requests]
        answers = [does_not_fit(self.context, len(fit.prompt)) for fit in prompts]
        places = [place for place, fit in enumerate(prompts) if len(fit.prompt) <= room]
        if places:
            found = self._answers(decoding, [prompts[place] for place in places], [seeds[place] for place in places])
            for place, answer in zip(places, found, strict=True):
                answers[place] = answer
        return answers

    def _encode(self, messages: tuple[Message, ...]) -> list[int]:
        return encode_chat(self.tokenizer, messages)

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

    @torch.inference_mode()
    def _answers(self, decoding: Generate | Choose, fits: list[Fitted], seeds: Sequence[int]) -> list[Completion]:
        longest = max(len(fit.prompt) for fit in fits)
        # Padded with a token of the prompt itself: the repetition penalty looks at what is masked as well.
        rows = [fit.prompt[:1] * (longest - len(fit.prompt)) + fit.prompt for fit in fits]
        ids = torch.tensor(rows, device=self.model.device)
        mask = torch.tensor([[0] * (longest - len(fit.prompt)) + [1] * len(fit.prompt) for fit in fits], device=self.model.device)
        if isinstance(decoding, Choose):
            return self._chosen(ids, mask, decoding, fits)
        return self._generated(ids, mask, decoding, fits, seeds)

    def _chosen(self, ids: torch.Tensor, mask: torch.Tensor, decoding: Choose, fits: list[Fitted]) -> list[Completion]:
        tokens = [single_token(self.tokenizer, word) for word in decoding.among]
        logits = self.model(input_ids=ids, attention_mask=mask, position_ids=_positions(mask), logits_to_keep=1).logits[:, -1]
        logprobs = torch.log_softmax(logits.float(), dim=-1)[:, tokens].cpu()
        return [
            completion_of_choice(decoding, row, len(fit.prompt), fit.cut) for row, fit in zip(logprobs.tolist(), fits, strict=True)
        ]

    def _generated(
        self, ids: torch.Tensor, mask: torch.Tensor, decoding: Generate, fits: list[Fitted], seeds: Sequence[int]
    ) -> list[Completion]:
        steps = room_for_completion(self.context, decoding)
        draws = LogitsProcessorList()
        if decoding.temperature > 0:
            draws.append(SeededDraw(seeds, steps, decoding, self.model.device))
        output = self.model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=False,  # the draw is in the processors
            logits_processor=draws,
            repetition_penalty=decoding.repetition_penalty,
            max_new_tokens=steps,
            eos_token_id=self.ends,
            pad_token_id=self.pad,
        )
        return [self._completion(row, fit) for row, fit in zip(output[:, ids.shape[1] :].tolist(), fits, strict=True)]

    def _completion(self, tokens: list[int], fit: Fitted) -> Completion:
        end = next((place for place, token in enumerate(tokens) if token in self.ends), None)
        text = self.tokenizer.decode(tokens[:end], skip_special_tokens=True)
        finish = "length" if end is None else "stop"
        return Completion(text, finish, len(fit.prompt), len(tokens) if end is None else end + 1, cut=fit.cut)


def _positions(mask: torch.Tensor) -> torch.Tensor:
    """Positions that count real tokens only, so that left padding shifts nothing."""
    return (mask.cumsum(-1) - 1).clamp_min(0)
