"""All signals of documents as rows, in the documents' order."""

import re
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa

from kun.books.digests import digest
from kun.books.tables import Row
from kun.corpus.normalise import bare

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("characters", pa.int32()),
        ("tokens", pa.int32()),  # by the label model's tokenizer
        ("han_share", pa.float32()),  # of the letters
        ("perplexity", pa.float32()),  # None for a text without any character in the model's normal form
        ("fingerprint", pa.string()),  # equal for texts that differ in space, width or punctuation only
    ]
)
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")


def measure(
    documents: Iterable[Row], count_tokens: Callable[[list[str]], list[int]], perplexity: Callable[[str], float | None]
) -> Iterator[Row]:
    """Rows of SCHEMA. `count_tokens` is called with many texts at once, because tokenizers are fast that way."""
    waiting: list[Row] = []
    for document in documents:
        waiting.append(document)
        if len(waiting) == 256:
            yield from _measured(waiting, count_tokens, perplexity)
            waiting = []
    yield from _measured(waiting, count_tokens, perplexity)


def _measured(documents: list[Row], count_tokens: Callable, perplexity: Callable) -> Iterator[Row]:
    texts = [document["text"] for document in documents]
    for document, text, tokens in zip(documents, texts, count_tokens(texts) if texts else [], strict=True):
        yield {
            "id": document["id"],
            "characters": len(text),
            "tokens": tokens,
            "han_share": han_share(text),
            "perplexity": perplexity(text),
            "fingerprint": digest(bare(text)),
        }


def han_share(text: str) -> float:
    """Han characters among a text's letters (digits, signs and spaces aside); 0 where there is no letter."""
    letters = sum(map(str.isalpha, text))
    return len(_HAN.findall(text)) / letters if letters else 0.0
