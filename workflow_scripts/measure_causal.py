"""measure_causal: perplexity of each document under a causal language model, one row a document, in the documents' order.

Every document keeps its row, because the table is read side by side with the documents: a text without tokens, and one that the model
gave no finite probabilities for, has no perplexity. How many there are of each is in the ledger's notes.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from kun.books.stage import Stage
from kun.books.tables import count_rows, read_columns
from kun.completions.ask import ask
from kun.completions.engines import load_engine
from kun.completions.requests import Completion, Message, Read, Request
from kun.completions.store import Store
from kun.settings.completions import Engine
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


def requests_of(documents: Path, read: Read) -> Iterator[tuple[tuple[int, str], Request]]:
    """((number of the row group, id), request) for every document."""
    for number, batch in enumerate(read_columns(documents, ["id", "text"])):
        for name, text in zip(batch["id"], batch["text"], strict=True):
            yield (number, name), Request((Message("user", text),), read)


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
    parser.add_argument("--model", type=Path, required=True, help="the model's description, by locate_model")
    parser.add_argument("--settings", type=Causal.model_validate_json, required=True, help="perplexity.causal, as JSON")
    parser.add_argument("--engine", type=Engine.model_validate_json, required=True, help="the engine section, as JSON")
    parser.add_argument("--trust-remote-code", action="store_true")
    parser.add_argument("--store", type=Path, required=True, help="folder of the shard's journal of completions")
    parser.add_argument("--name", required=True, help="stage and shard, for the progress shown")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    model = json.loads(arguments.model.read_text(encoding="utf-8"))
    causal = arguments.settings
    read = Read(causal.tokens, causal.stride)
    identities = {"causal_perplexity": identity(model["fingerprint"], causal.tokens, causal.stride)}
    store = Store(arguments.store)

    def load():
        return load_engine(model, arguments.engine, arguments.trust_remote_code, store)

    with Stage("measure_causal", arguments.output, SCHEMA, identities) as stage:
        asked = requests_of(arguments.documents, read)
        tokens, without = 0, Counter()
        try:
            total = count_rows(arguments.documents)
            answered = ask(asked, model["fingerprint"], store, load, AT_ONCE, arguments.name, total)
            for _, group in groupby(answered, key=lambda pair: pair[0][0]):
                records, completions = zip(*group, strict=True)
                stage.take(len(records))
                made = columns([name for _, name in records], list(completions))
                stage.keep_columns(made)
                tokens += sum(made["causal_tokens"])
                without += without_perplexity(list(completions))
        finally:
            store.close()
        stage.notes = {**identities, "tokens": tokens, "without_perplexity": dict(sorted(without.items()))}


if __name__ == "__main__":
    main()
