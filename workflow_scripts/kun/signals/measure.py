"""All signals of a batch of texts, a column each. Nothing is decided here."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from kun.signals import pii
from kun.signals.characters import shares
from kun.signals.fingerprints import fingerprint_columns
from kun.signals.forms import bare, codes_of, compatible
from kun.signals.kenlm_perplexity import NgramPerplexity
from kun.signals.language import language
from kun.signals.markup import markup_share
from kun.signals.repetition import repeated_grams, repeated_lines

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("characters", pa.int32()),
        ("tokens", pa.int32()),  # by the label model's tokenizer
        ("han_share", pa.float32()),  # of the letters
        ("digit_share", pa.float32()),  # this and the next two: of all characters but white space
        ("punctuation_share", pa.float32()),
        ("garbled_share", pa.float32()),  # characters that an earlier program could not decode (U+FFFD)
        ("language", pa.string()),  # as fastText's lid.176 names it
        ("language_probability", pa.float32()),
        ("repeated_grams", pa.float32()),  # share of the character 8-grams that occurred before
        ("repeated_lines", pa.float32()),  # share of the characters in lines that occurred before
        ("markup_share", pa.float32()),  # share of the characters in web addresses, tags, entities
        ("lines", pa.int32()),
        ("blank_lines", pa.int32()),
        *((f"pii_{kind}", pa.int32()) for kind in pii.MASKS),  # personal numbers and addresses found, by kind
        ("perplexity", pa.float32()),  # by the n-gram model; None for a text without any word, or where it is not measured
        ("perplexity_tokens", pa.int32()),  # how many probabilities it is the mean of
        ("fingerprint", pa.binary(16)),  # equal for texts that differ in space, width or punctuation only
        ("minhash", pa.binary(256)),  # alike for texts that share most of their character 5-grams
    ]
)
NGRAMS = ("perplexity", "perplexity_tokens")


class Measurer:
    """Measures batches of texts with a tokenizer's counter, fastText's model and an n-gram model (None: no perplexity)."""

    def __init__(self, count_tokens: Callable[[list[str]], list[int]], language_model: Any, ngrams: NgramPerplexity | None):
        self.count_tokens, self.language_model, self.ngrams = count_tokens, language_model, ngrams

    def columns(self, ids: list[str], texts: list[str]) -> dict[str, Any]:
        """SCHEMA's columns, a value for each text. Arrays are shared by what needs them, because making them costs the most."""
        plain, form = codes_of(texts), compatible(texts)
        languages, probabilities = zip(*(language(self.language_model, text) for text in texts), strict=True)
        personal = [pii.count(text) for text in texts]
        # The fingerprints come last: fastText was measured to take half as long again, and more, when called right after rensa.
        columns = {
            "id": ids,
            "characters": plain.lengths,
            "tokens": self.count_tokens(texts),
            **shares(plain),
            "language": languages,
            "language_probability": probabilities,
            "repeated_grams": repeated_grams(plain),
            "repeated_lines": [repeated_lines(text) for text in texts],
            "markup_share": [markup_share(text) for text in texts],
            "lines": [text.count("\n") + 1 for text in texts],
            "blank_lines": [text.count("\n\n") for text in texts],
            **{f"pii_{kind}": [found.get(kind, 0) for found in personal] for kind in pii.MASKS},
            **(self.ngrams.columns(texts, form) if self.ngrams else dict.fromkeys(NGRAMS, [None] * len(texts))),
        }
        fingerprints, minhashes = fingerprint_columns(bare(form))
        return columns | {"fingerprint": fingerprints, "minhash": minhashes}
