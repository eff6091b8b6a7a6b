"""measure_causal: perplexity of each document under a causal language model, one row a document, in the documents' order.

Every document keeps its row, because the table is read side by side with the documents: a text without tokens, and one that the model
gave no finite probabilities for, has no perplexity. How many there are of each is in the ledger's notes.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from kun.books.stage import Stage
from kun.books.tables import count_rows, read_columns
from kun.completions.job import add_engine_arguments, answered, described_model
from kun.completions.requests import Completion, Message, Read, Request
from kun.settings.perplexity import Causal
from kun.signals.causal_perplexity import identity, perplexity

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("causal_perplexity", pa.float32()),  # None for a text without tokens, or that could not be read
        ("causal_tokens", pa.int32()),  # how many of the text's tokens were read
    ]
)
AT_ONCE = 512  # texts: an engine cuts them into what it computes by their tokens, and a kill loses at most these


def requests_of(documents: Path, read: Read) -> Iterator[tuple[tuple[int, str], list[Request]]]:
    """((number of the row group, id), its request) for every document."""
    for number, batch in enumerate(read_columns(documents, ["id", "text"])):
        for name, text in zip(batch["id"], batch["text"], strict=True):
            yield (number, name), [Request((Message("user", text),), read)]


def columns(ids: list[str], completions: list[Completion]) -> dict[str, Any]:
    """SCHEMA's columns of some documents."""
    read = [completion.finish == "read" for completion in completions]
    tokens = [found.prompt_tokens if known else 0 for found, known in zip(completions, read, strict=True)]
    values = [perplexity(found.logprobs[0], count) if count else None for found, count in zip(completions, tokens, strict=True)]
    return {"id": ids, "causal_perplexity": values, "causal_tokens": tokens}


def without_perplexity(completions: list[Completion]) -> Counter[str]:
    """Why some have none, and how many."""
    failed = Counter(found.text for found in completions if found.finish == "failed")
    return failed + Counter("no tokens" for found in completions if found.finish == "read" and not found.prompt_tokens)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--settings", type=Causal.model_validate_json, required=True, help="perplexity.causal, as JSON")
    add_engine_arguments(parser)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    causal = arguments.settings
    read = Read(causal.tokens, causal.stride)
    identities = {"causal_perplexity": identity(described_model(arguments)["fingerprint"], causal.tokens, causal.stride)}
    with Stage("measure_causal", arguments.output, SCHEMA, identities) as stage:
        asked = requests_of(arguments.documents, read)
        tokens, without = 0, Counter()
        found = answered(arguments, asked, count_rows(arguments.documents), AT_ONCE)
        for _, group in groupby(found, key=lambda pair: pair[0][0]):
            records, completions = zip(*((record, completion) for record, [completion] in group), strict=True)
            stage.take(len(records))
            made = columns([name for _, name in records], list(completions))
            stage.keep_columns(made)
            tokens += sum(made["causal_tokens"])
            without += without_perplexity(list(completions))
        stage.notes = {**identities, "tokens": tokens, "without_perplexity": dict(sorted(without.items()))}


if __name__ == "__main__":
    main()
