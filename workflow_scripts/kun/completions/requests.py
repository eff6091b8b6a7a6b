"""What is asked of a language model and what comes back, independent of any engine."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from typing import Literal

from kun.books.digests import digest_of_value, seed_from

Finish = Literal["stop", "length", "choice", "read", "failed"]


@dataclass(frozen=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class Generate:
    """Draw text. Temperature 0 takes the likeliest token."""

    max_tokens: int
    temperature: float
    top_p: float
    repetition_penalty: float


@dataclass(frozen=True)
class Choose:
    """Read the log-probabilities of these continuations, one token each, in place of drawing."""

    among: tuple[str, ...]


@dataclass(frozen=True)
class Read:
    """Sum up the log-probabilities of a text's own tokens. The request's one message is the text, no part of a conversation.

    Before the text stands one token that says a document begins (the tokenizer's BOS, or EOS where it has none); it is never scored,
    and the end of the text is not predicted. A longer text than `tokens`: without `stride` its first `tokens` tokens are read. With
    `stride`, all are, each once, through windows of `tokens` tokens and the one before them: a window starts `stride` tokens after the
    last one and scores what that did not, so a token has at least `tokens` − `stride` + 1 tokens before it, those of its own window.
    (https://huggingface.co/docs/transformers/perplexity, with `max_length` = `tokens` + 1.)
    """

    tokens: int
    stride: int | None = None

    def windows(self, length: int) -> list[tuple[int, int, int]]:
        """(start, end, scored) for a text of `length` tokens. With the begin of the document at place 0 and the text's tokens at places
        1 to `length`, the model sees the places from start to before end, and those from `scored` on are scored."""
        if self.stride is None or length <= self.tokens:
            return [(0, min(length, self.tokens) + 1, 1)] if length else []
        starts = range(0, length - self.tokens + self.stride, self.stride)
        ends = [min(start + self.tokens, length) + 1 for start in starts]
        return list(zip(starts, ends, [1, *ends[:-1]], strict=True))

    def check_fits(self, room: int) -> None:
        """Raises ValueError if a window has more of a text's tokens than the `room` that a model's context leaves for them."""
        if self.tokens > room:
            raise ValueError(
                f"perplexity.causal.tokens is {self.tokens}, but the model's context has room for at most {room} tokens of a text; "
                "set it to that or less"
            )


@dataclass(frozen=True)
class Shown:
    """The text that a prompt shows: what is cut where the prompt does not fit. `messages` makes the prompt of a beginning of it."""

    text: str
    messages: Callable[[str], tuple[Message, ...]]


@dataclass(frozen=True)
class Request:
    """A question. `candidate` numbers the draws where several answers to one prompt are wanted."""

    messages: tuple[Message, ...]
    decoding: Generate | Choose | Read
    candidate: int = 0
    shown: Shown | None = field(default=None, compare=False)

    def under(self, system: str) -> "Request":
        """The same question after a system message."""
        before, shown = Message("system", system), self.shown
        if shown:
            shown = Shown(shown.text, lambda text: (before, *self.shown.messages(text)))
        return replace(self, messages=(before, *self.messages), shown=shown)

    def key(self, model_fingerprint: str) -> str:
        """Identity of the question: model, prompt, decoding and candidate. Equal keys have equal answers, whichever record asks; where a
        text is cut for an engine is no part of it, so that looking for an answer needs no tokenizer."""
        kind = type(self.decoding).__name__
        draw = [self.candidate] if self.candidate else []
        return digest_of_value(
            [model_fingerprint, [asdict(message) for message in self.messages], kind, asdict(self.decoding), *draw]
        )


def seed_of(key: str) -> int:
    """Where a request's chance comes from: its key, so neither order nor company of a request matters."""
    return seed_from(key)


@dataclass(frozen=True, slots=True)
class Completion:
    """An answer as the engine gave it. `logprobs` are natural ones over the whole vocabulary: for Choose, in the order of `among`; for
    Read, one value, the sum over the text's `prompt_tokens` scored tokens. `cut`: how many characters of the text that the request
    shows the model saw, or None where it saw all of it.

    A request that cannot be answered (its prompt is longer than the model's context) comes back as failed, with the reason as text.
    """

    text: str
    finish: Finish
    prompt_tokens: int
    output_tokens: int
    logprobs: tuple[float, ...] = ()
    cut: int | None = None


NOT_FINITE = "the model gave no finite probabilities; try engine.dtype: float32"  # what a half precision does when it overflows


def does_not_fit(context: int, prompt_tokens: int) -> Completion:
    """The answer to a request whose prompt leaves no room for a token."""
    return Completion(f"the prompt does not fit into the model's context of {context} tokens", "failed", prompt_tokens, 0)


def completion_of_choice(choose: Choose, logprobs: Sequence[float], prompt_tokens: int, cut: int | None = None) -> Completion:
    """The likeliest of the words, with the log-probabilities of all, which are in the order of `among`."""
    if not all(map(isfinite, logprobs)):
        return Completion(NOT_FINITE, "failed", prompt_tokens, 0, cut=cut)
    likeliest = max(range(len(logprobs)), key=logprobs.__getitem__)
    return Completion(choose.among[likeliest], "choice", prompt_tokens, 1, tuple(round(value, 6) for value in logprobs), cut)


def completion_of_read(read: Read, length: int, total: float) -> Completion:
    """What is known of a text of `length` tokens whose scored log-probabilities sum up to `total`."""
    scored = length if read.stride is not None else min(length, read.tokens)
    if not isfinite(total):
        return Completion(NOT_FINITE, "failed", scored, 0)
    return Completion("", "read", scored, 0, (total,))
