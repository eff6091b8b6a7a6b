"""SentencePiece pieces for an n-gram model: a unigram vocabulary, trained on a bounded sample of the text that the model is trained on.

Everything that could make two trainings differ is fixed: one thread, the sample by digests, no shuffling. Texts come in their normal form,
so SentencePiece has none of its own. What is left of its defaults is what CCNet used, its share of characters covered (0.9995) included.
"""

import heapq
import io
from collections.abc import Iterable

from kun.books.digests import digest

SAMPLE = 20_000_000  # bytes of text; unigram training takes time and memory in proportion, and the vocabulary settles far below
LONGEST = 4_000  # characters of a training sentence


class NoPieces(Exception):
    """SentencePiece cannot make a vocabulary of this text; the message says what it lacks."""


def sample_of(texts: Iterable[str], size: int = SAMPLE) -> list[str]:
    """Sentences whose digests are smallest, `size` bytes of them or all there are, in the order of their digests."""
    kept: list[tuple[int, str]] = []  # a heap with the largest digest on top
    held = 0
    for sentence in (sentence for text in texts for sentence in _sentences(text)):
        key = -int(digest(sentence), 16)
        if held >= size and key < kept[0][0]:
            continue
        heapq.heappush(kept, (key, sentence))
        held += len(sentence.encode())
        while held - len(kept[0][1].encode()) >= size:
            held -= len(heapq.heappop(kept)[1].encode())
    return [sentence for _, sentence in sorted(kept, reverse=True)]


def _sentences(text: str) -> Iterable[str]:
    for line in text.split("\n"):
        yield from (line[start : start + LONGEST] for start in range(0, len(line), LONGEST))


def train_pieces(sentences: list[str], vocabulary: int) -> bytes:
    """The SentencePiece file, of `vocabulary` pieces, or fewer where the text has not so many. Raises NoPieces."""
    import sentencepiece

    made = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=made,
            model_type="unigram",
            vocab_size=vocabulary,
            hard_vocab_limit=False,
            character_coverage=0.9995,
            byte_fallback=False,
            normalization_rule_name="identity",
            max_sentence_length=4 * LONGEST,
            input_sentence_size=0,  # all: the sample is taken already
            shuffle_input_sentence=False,
            num_threads=1,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        raise NoPieces(f"SentencePiece made no {vocabulary} pieces of {len(sentences)} sentences: {error}") from None
    return made.getvalue()
