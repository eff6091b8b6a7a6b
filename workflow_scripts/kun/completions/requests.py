"""What is asked of a language model and what comes back, independent of any engine."""

from dataclasses import asdict, dataclass
from typing import Literal

from kun.books.digests import digest_of_value, seed_from

Finish = Literal["stop", "length", "choice", "failed"]


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
class Request:
    messages: tuple[Message, ...]
    decoding: Generate | Choose

    def key(self, model_fingerprint: str) -> str:
        """Identity of the question: model, prompt and decoding. Equal keys have equal answers, whichever record asks."""
        kind = type(self.decoding).__name__
        return digest_of_value([model_fingerprint, [asdict(message) for message in self.messages], kind, asdict(self.decoding)])

    def seed(self, model_fingerprint: str) -> int:
        """Where its chance comes from: the key, so neither order nor company of a request matters."""
        return seed_from(self.key(model_fingerprint))


@dataclass(frozen=True)
class Completion:
    """An answer as the engine gave it. For Choose, `logprobs` are over the whole vocabulary, in the order of `among`.

    A request that cannot be answered (its prompt is longer than the model's context) comes back as failed, with the reason as text.
    """

    text: str
    finish: Finish
    prompt_tokens: int
    output_tokens: int
    logprobs: tuple[float, ...] = ()
