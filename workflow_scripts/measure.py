"""measure: one row of signals a document, in the documents' order. Nothing is decided here."""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

from kun.books.progress import followed
from kun.books.stage import Stage
from kun.books.tables import count_rows, read_rows
from kun.signals.kenlm_perplexity import identity, perplexity
from kun.signals.measure import SCHEMA, measure


def token_counter(folder: Path, trust_remote_code: bool) -> Callable[[list[str]], list[int]]:
    """Counts tokens of many texts at once; without transformers where the model brings a tokenizer.json."""
    file = folder / "tokenizer.json"
    if file.is_file():
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.encode_special_tokens = True  # control tokens in a text are text
        tokenizer.no_truncation()
        return lambda texts: [len(encoding.ids) for encoding in tokenizer.encode_batch(texts, add_special_tokens=False)]
    from transformers import AutoTokenizer

    slow = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
    return lambda texts: [len(slow.encode(text, add_special_tokens=False, split_special_tokens=True)) for text in texts]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True, help="JSON of locate_model")
    parser.add_argument("--trust-remote-code", action="store_true")
    parser.add_argument("--kenlm", type=Path, required=True, help="JSON of train_kenlm")
    parser.add_argument("--name", required=True, help="the shard, for the progress shown")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    import kenlm

    described = json.loads(arguments.kenlm.read_text(encoding="utf-8"))
    model = kenlm.Model(described["path"])
    tokenizer = json.loads(arguments.tokenizer.read_text(encoding="utf-8"))
    # Values measured under another identity must never be compared with these: it travels with the column.
    identities = {"perplexity": identity(described["fingerprint"]), "tokens": tokenizer["fingerprint"]}
    rows = measure(
        read_rows(arguments.documents),
        token_counter(Path(tokenizer["path"]), arguments.trust_remote_code),
        partial(perplexity, model),
    )
    with Stage("measure", arguments.output, SCHEMA, identities) as stage:
        stage.notes = identities
        for row in followed(rows, f"measure {arguments.name}", total=count_rows(arguments.documents)):
            stage.take()
            stage.keep(row)


if __name__ == "__main__":
    main()
