"""read_reference: files of good text, cleaned as documents are, so that they can be measured as documents are."""

import argparse
from pathlib import Path

from kun.books.progress import followed
from kun.books.stage import Stage
from kun.corpus.documents import SCHEMA, document_id
from kun.corpus.normalise import readable
from kun.corpus.reference import BadReference, texts_of_file
from kun.settings.corpus import Text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=Path, nargs="+", required=True, help=".jsonl with a `text` field, or one text a line")
    parser.add_argument("--text", type=Text.model_validate_json, default=Text(), help="how texts are cleaned, as JSON")
    parser.add_argument("--output", type=Path, required=True, help="Parquet of documents")
    arguments = parser.parse_args()

    try:
        read_reference(arguments.files, arguments.text, arguments.output)
    except BadReference as fault:
        raise SystemExit(str(fault)) from None


def read_reference(files: list[Path], how: Text, output: Path) -> None:
    """Raises BadReference; then there is no output."""
    with Stage("read_reference", output, SCHEMA) as stage:
        for file in files:
            for number, raw in enumerate(followed(texts_of_file(file), f"read_reference: {file.name}", "texts"), start=1):
                stage.take()
                text = readable(raw, how)
                row = {"id": document_id("", text), "text": text, "title": "", "category": "", "locator": f"{file.name}:{number}"}
                if text:
                    stage.keep(row)
                else:
                    stage.drop(row, "empty")


if __name__ == "__main__":
    main()
