"""measure: one row of signals a document, in the documents' order. Nothing is decided here."""

import argparse
import json
from pathlib import Path

from kun.books.progress import meter
from kun.books.stage import Stage
from kun.books.tables import count_rows, read_columns
from kun.signals.kenlm_perplexity import load
from kun.signals.language import language_model
from kun.signals.measure import SCHEMA, Measurer
from kun.signals.token_counter import token_counter


def measure(documents: Path, measurer: Measurer, identities: dict[str, str], name: str, output: Path) -> None:
    """Signals of the documents' table, written with their ledger."""
    with Stage("measure", output, SCHEMA, identities) as stage, meter(count_rows(documents), f"measure {name}", "records") as bar:
        stage.notes = identities
        for batch in read_columns(documents, ["id", "text"]):
            stage.take(len(batch["id"]))
            stage.keep_columns(measurer.columns(batch["id"], batch["text"]))
            bar.update(len(batch["id"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True, help="JSON of locate_model")
    parser.add_argument("--trust-remote-code", action="store_true")
    parser.add_argument("--kenlm", type=Path, help="JSON of train_kenlm; without it there is no n-gram perplexity")
    parser.add_argument("--name", required=True, help="the shard, for the progress shown")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()

    tokenizer = json.loads(arguments.tokenizer.read_text(encoding="utf-8"))
    try:
        ngrams = load(json.loads(arguments.kenlm.read_text(encoding="utf-8"))) if arguments.kenlm else None
    except ValueError as error:
        raise SystemExit(str(error)) from None
    measurer = Measurer(token_counter(Path(tokenizer["path"]), arguments.trust_remote_code), language_model(), ngrams)
    # Values measured under another identity must never be compared with these: it travels with the column.
    identities = {"tokens": tokenizer["fingerprint"]}
    if ngrams:
        identities["perplexity"] = ngrams.identity
    measure(arguments.documents, measurer, identities, arguments.name, arguments.output)


if __name__ == "__main__":
    main()
