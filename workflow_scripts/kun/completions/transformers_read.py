"""Sums of tokens' log-probabilities under a transformers model, in memory that grows neither with the batch nor with the texts.

Log-probabilities over a vocabulary are large: 32 windows of 1,024 tokens and a vocabulary of 150,000 make 20 GB. So the decoder runs
over a batch at once, and its head over few positions at a time, of which only the scored tokens' log-probabilities are kept.
"""

from collections.abc import Iterator, Sequence

import torch

from kun.completions.requests import Read

POSITIONS = 8192  # of one pass of the decoder, padding counted
LOGITS = 32_000_000  # of float32 at once: 128 MB, and about twice that while they are normalised
FULL, SHORT = 0.8, 16  # a batch's shortest window has so much of the longest's tokens, less so many: padding costs as much as text
PROBE = 16  # tokens of the look at how a model makes its logits
Span = tuple[int, int, int, int]  # document, and a window of it: see Read.windows


class Reader:
    """Reads with a loaded model. Texts are padded on the right, where a causal model never looks, so no mask is needed."""

    def __init__(self, model: torch.nn.Module):
        self.model = model
        self.head_apart, self.vocabulary = _look(model)

    def sums(self, documents: Sequence[Sequence[int]], read: Read) -> list[float]:
        """For each document, its first token being the begin of a document, the sum of the scored tokens' log-probabilities."""
        spans = [(place, *window) for place, ids in enumerate(documents) for window in read.windows(len(ids) - 1)]
        spans.sort(key=lambda span: (-_length(span), span))
        totals = [0.0] * len(documents)
        for batch in self._batches(spans):
            for (place, *_), total in zip(batch, self._sums([documents[place] for place, *_ in batch], batch), strict=True):
                totals[place] += total
        return totals

    def _batches(self, spans: list[Span]) -> Iterator[list[Span]]:
        positions = POSITIONS if self.head_apart else min(POSITIONS, LOGITS // self.vocabulary)
        first = 0
        while first < len(spans):
            longest = _length(spans[first])
            batch = spans[first : first + max(1, positions // longest)]
            batch = [span for span in batch if _length(span) >= FULL * longest - SHORT]
            yield batch
            first += len(batch)

    @torch.inference_mode()
    def _sums(self, documents: list[Sequence[int]], batch: list[Span]) -> list[float]:
        width = _length(batch[0])
        rows = [list(ids[start:end]) for ids, (_, start, end, _) in zip(documents, batch, strict=True)]
        inputs = torch.tensor([[*row[:-1], *row[:1] * (width + 1 - len(row))] for row in rows], device=self.model.device)
        # A token is predicted at the place before it. What is wanted, row by row: places in the flattened batch, and tokens.
        places = [
            row * width + place - start - 1 for row, (_, start, end, scored) in enumerate(batch) for place in range(scored, end)
        ]
        tokens = [token for row, (_, start, _, scored) in zip(rows, batch, strict=True) for token in row[scored - start :]]
        found = self._logprobs(inputs, torch.tensor(places), torch.tensor(tokens))
        counts = [end - scored for _, _, end, scored in batch]
        return [float(part.double().sum()) for part in found.split(counts)]

    def _logprobs(self, inputs: torch.Tensor, places: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """Float32 log-probabilities, on the CPU, of `tokens` at `places` of the flattened inputs [rows × width]."""
        if self.head_apart:
            made = self.model.base_model(input_ids=inputs, use_cache=False).last_hidden_state
            head = self.model.get_output_embeddings()
        else:
            made, head = self.model(input_ids=inputs, use_cache=False).logits, torch.nn.Identity()
        made = made.flatten(0, 1)
        found = []
        for some in torch.arange(len(places)).split(max(1, LOGITS // self.vocabulary)):
            logits = head(made[places[some].to(made.device)]).float()
            wanted = logits.gather(1, tokens[some].to(logits.device)[:, None])[:, 0]
            found.append((wanted - logits.logsumexp(1)).cpu())
        return torch.cat(found)


def _length(span: Span) -> int:
    """How many tokens the model sees: the last one is only predicted."""
    _, start, end, _ = span
    return end - start - 1


@torch.inference_mode()
def _look(model: torch.nn.Module) -> tuple[bool, int]:
    """Whether the model's logits are its head on its decoder's last states, and how many there are. Some models cap or scale them
    afterwards (Gemma 2, Granite, Cohere); those give their logits whole, for few positions at a time."""
    inputs = torch.arange(PROBE, device=model.device)[None]
    whole = model(input_ids=inputs, use_cache=False).logits.float()
    try:
        apart = model.get_output_embeddings()(model.base_model(input_ids=inputs, use_cache=False).last_hidden_state).float()
    except (AttributeError, TypeError, NotImplementedError):
        return False, whole.shape[-1]
    alike = apart.shape == whole.shape and bool((apart - whole).abs().max() <= 1e-3 * whole.abs().max())
    return alike, whole.shape[-1]
