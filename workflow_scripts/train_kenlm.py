"""train_kenlm: a character n-gram model by KenLM's lmplz, from reference files or from a sample of the documents."""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

from kun.books.digests import digest_of_file
from kun.books.progress import followed
from kun.books.tables import read_rows
from kun.corpus.plan import ids_of_plan
from kun.settings.perplexity import Kenlm
from kun.signals.kenlm_words import characters


def texts_of_file(path: Path) -> Iterator[str]:
    """Texts of a reference file: the `text` of JSON lines, or the lines of a plain file. Errors name file and line."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if path.suffix != ".jsonl":
                yield line.decode("utf-8", "replace")
                continue
            try:
                record = orjson.loads(line)
            except orjson.JSONDecodeError:
                record = None
            if not isinstance(record, dict) or not isinstance(record.get("text"), str):
                raise SystemExit(f"{path}:{number}: expected a JSON object with a text in its field 'text'")
            yield record["text"]


def sampled_texts(documents: list[Path], count: int) -> Iterator[str]:
    """The texts whose ids sort first: a sample that depends on content alone, not on shards or their order."""
    import polars as pl

    ids = pl.concat([pl.scan_parquet(path).select("id") for path in documents]).unique().sort("id").head(count).collect()
    chosen = set(ids["id"])
    for path in documents:
        for row in read_rows(path, ["id", "text"]):
            if row["id"] in chosen:
                chosen.discard(row["id"])
                yield row["text"]


def program(name: str) -> str:
    """Where a KenLM program is: beside this Python (where the install step puts it) or on PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise SystemExit(
            f"{name} is not on PATH. Build it: python workflow_scripts/build_kenlm.py --lock envs/requirements.lock --into .venv/bin"
        )
    return found


def describe(description: Path, model: Path, **facts: object) -> None:
    """The small file that other rules depend on: where the model is and who it is."""
    facts = {"path": str(model), "fingerprint": digest_of_file(model), "normaliser": "kun", "sentencepiece": None, **facts}
    description.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", type=Kenlm.model_validate_json, required=True, help="the perplexity.kenlm section, as JSON")
    parser.add_argument(
        "--plan", type=Path, required=True, help="JSON: shard ids, whose documents are sampled where no reference is named"
    )
    parser.add_argument("--results", type=Path, required=True, help="folder that holds the stages' folders")
    parser.add_argument("--model", type=Path, required=True, help="the binary model to write")
    parser.add_argument("--description", type=Path, required=True, help="JSON: path and fingerprint")
    arguments = parser.parse_args()
    settings: Kenlm = arguments.settings

    if settings.model:
        describe(arguments.description, Path(settings.model), given=True, shards=[])
        return
    sampled: list[str] = []
    if settings.reference:
        texts = (text for name in settings.reference for text in texts_of_file(Path(name).expanduser()))
    else:
        sampled = ids_of_plan(arguments.plan)
        texts = sampled_texts(
            [arguments.results / "documents" / f"{shard}.parquet" for shard in sampled], settings.sample_documents
        )
    work = arguments.model.with_suffix(".work")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    count = 0
    with (work / "reference.txt").open("w", encoding="utf-8") as stream:
        for text in followed(texts, "train_kenlm: reference", "texts"):
            if line := characters(text):
                stream.write(line + "\n")
                count += 1
    if not count:
        raise SystemExit("perplexity.kenlm.reference: there is no text in it")

    print(f"train_kenlm: {settings.order}-gram of {count} texts", file=sys.stderr)
    # Small references lack the counts that Kneser-Ney discounts are estimated from; the fallback is lmplz's own remedy.
    counting = [program("lmplz"), "-o", str(settings.order), "-S", settings.memory, "-T", str(work), "--discount_fallback"]
    done = subprocess.run(
        [*counting, "--text", str(work / "reference.txt"), "--arpa", str(work / "model.arpa")], stderr=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(f"lmplz failed:\n{done.stderr[-2000:]}")
    done = subprocess.run(
        [program("build_binary"), str(work / "model.arpa"), str(arguments.model)], stderr=subprocess.PIPE, text=True
    )
    if done.returncode:
        raise SystemExit(f"build_binary failed:\n{done.stderr[-2000:]}")
    shutil.rmtree(work)
    describe(arguments.description, arguments.model, order=settings.order, texts=count, shards=sampled)


if __name__ == "__main__":
    main()
