"""train_kenlm: describe the n-gram model that perplexity is measured with, a given one or one trained here.

A trained model lies in a folder of its own below `--into`, named after the settings that shape it. One that was trained on documents of
the sources is pinned by that: the same settings take it again, whatever the sources hold now. Removing the folder makes it anew.
"""

import argparse
import errno
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from kun.books.digests import digest_of_file
from kun.books.progress import followed
from kun.corpus.plan import ids_of_plan
from kun.corpus.reference import BadReference, sampled_texts, texts_of_file
from kun.settings.perplexity import SOURCE, Kenlm
from kun.signals.kenlm_forms import NORMALISERS
from kun.signals.kenlm_perplexity import words_of
from kun.signals.kenlm_training import TrainingFailed, name_of_model, train_ngrams
from kun.signals.piece_training import NoPieces, sample_of, train_pieces

AT_ONCE = 1_000_000  # characters that are normalised together
MODEL, PIECES, FACTS = "model.bin", "sp.model", "facts.json"


def given(settings: Kenlm) -> dict[str, Any]:
    """The description of a model that somebody else trained."""
    return {
        "path": settings.model,
        "fingerprint": digest_of_file(Path(settings.model)),
        "normaliser": settings.chosen_normaliser(),
        "unit": "sentencepiece" if settings.sentencepiece else "characters",
        "sentencepiece": _file(Path(settings.sentencepiece)) if settings.sentencepiece else None,
        "given": True,
        "shards": [],
    }


def of_sources(settings: Kenlm, plan: Path) -> list[str]:
    """The shards whose documents are the reference, or part of it, in plan order."""
    if not settings.pinned():
        return []
    sources = settings.sources_of_reference()
    return [shard for shard in ids_of_plan(plan) if not sources or shard.partition("/")[0] in sources]


def reference(settings: Kenlm, shards: list[str], results: Path) -> Iterator[str]:
    """The texts, in the order in which they are named."""

    def sample(wanted: list[str]) -> Iterator[str]:
        return sampled_texts([results / "documents" / f"{shard}.parquet" for shard in wanted], settings.sample_documents)

    if not settings.reference:
        yield from sample(shards)
    for name in settings.reference:
        if name.startswith(SOURCE):
            yield from sample([shard for shard in shards if shard.startswith(name.removeprefix(SOURCE) + "/")])
        else:
            yield from texts_of_file(Path(name).expanduser())


def train(settings: Kenlm, texts: Callable[[], Iterator[str]], programs: dict[str, str], into: Path) -> dict[str, Any]:
    """Writes model and pieces into the folder; the description, with paths inside the folder. Raises what their training raises."""
    described: dict[str, Any] = {
        "path": MODEL,
        "normaliser": settings.chosen_normaliser(),
        "unit": settings.unit,
        "sentencepiece": None,
    }
    if settings.unit == "sentencepiece":
        print(f"train_kenlm: {settings.pieces} pieces", file=sys.stderr)
        normalise = NORMALISERS[settings.chosen_normaliser()][1]
        sentences = sample_of(normalise(text) for text in followed(texts(), "train_kenlm: text for pieces", "texts"))
        if not sentences:
            raise BadReference("perplexity.kenlm.reference: there is no text in it")
        (into / PIECES).write_bytes(train_pieces(sentences, settings.pieces))
        del sentences
        described["sentencepiece"] = _file(into / PIECES)

    counted = [0]
    print(f"train_kenlm: {settings.order}-grams of {settings.unit}", file=sys.stderr)
    lines = _lines(followed(texts(), "train_kenlm: reference", "texts"), words_of(described), counted)
    with tempfile.TemporaryDirectory(prefix="kenlm-", dir=settings.temporary or into) as temporary:
        train_ngrams(lines, into / MODEL, settings, programs, Path(temporary))
    facts = {"fingerprint": digest_of_file(into / MODEL), "order": settings.order, "texts": counted[0]}
    return described | facts | {"given": False}


def _lines(texts: Iterable[str], words: Callable, counted: list[int]) -> Iterator[str]:
    """Lines for lmplz; `counted` says afterwards of how many texts. Raises BadReference if there is none."""
    for batch in _batches(texts):
        for lines in words(batch, None):
            counted[0] += bool(lines)
            yield from (line.words for line in lines)
    if not counted[0]:
        raise BadReference("perplexity.kenlm.reference: there is no text in it")


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch, held = [], 0
    for text in texts:
        batch.append(text)
        held += len(text)
        if held >= AT_ONCE:
            yield batch
            batch, held = [], 0
    yield batch


def _file(path: Path) -> dict[str, str]:
    return {"path": str(path), "fingerprint": digest_of_file(path)}


def kept(folder: Path) -> dict[str, Any]:
    """The description of a model that was trained before, its paths as they are now. Exits if the files are not what they were."""
    facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
    for file in filter(None, [facts, facts["sentencepiece"]]):
        file["path"] = str(folder / Path(file["path"]).name)
        if not Path(file["path"]).is_file() or digest_of_file(Path(file["path"])) != file["fingerprint"]:
            raise SystemExit(f"{file['path']} is not what was trained there; restore it, or remove {folder} to train anew")
    return facts


def make(settings: Kenlm, shards: list[str], results: Path, programs: dict[str, str], folder: Path) -> None:
    """Train into `folder`, which appears complete or not at all."""
    unfinished = folder.with_name(folder.name + ".partial")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    if settings.temporary:
        Path(settings.temporary).mkdir(parents=True, exist_ok=True)
    try:
        facts = train(settings, partial(reference, settings, shards, results), programs, unfinished)
        (unfinished / FACTS).write_text(json.dumps(facts | {"shards": shards}, indent=2) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    except NoPieces as error:
        raise SystemExit(f"{error}\nperplexity.kenlm.pieces is the number of pieces; see also perplexity.kenlm.reference") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
            raise
        raise SystemExit(f"train_kenlm: {error}: there is no room in {folder.parent}") from None
    except (BadReference, TrainingFailed) as error:
        raise SystemExit(str(error)) from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def programs_of(description: Path) -> dict[str, str]:
    """Where lmplz and build_binary are. Exits if they are there no longer."""
    programs = json.loads(description.read_text(encoding="utf-8"))
    for path in programs.values():
        if not Path(path).is_file():
            raise SystemExit(
                f"{path}, which {description} names, is not there; remove {description}, and it is found or built anew"
            )
    return programs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=Kenlm.model_validate_json, required=True, help="the perplexity.kenlm section, as JSON")
    parser.add_argument("--plan", type=Path, required=True, help="JSON: the shards, where documents of sources are the reference")
    parser.add_argument("--results", type=Path, required=True, help="folder that holds the stages' folders")
    parser.add_argument("--programs", type=Path, help="JSON of build_kenlm; not needed for a given model")
    parser.add_argument("--into", type=Path, required=True, help="folder for trained models, a folder each")
    parser.add_argument("--description", type=Path, required=True, help="JSON to write: paths, fingerprints, how texts are cut")
    arguments = parser.parse_args()
    settings: Kenlm = arguments.settings

    signal.signal(signal.SIGTERM, lambda *_: sys.exit("train_kenlm was ended"))  # so that it tidies up
    if settings.model:
        facts = given(settings)
    else:
        folder = arguments.into / name_of_model(settings)
        if not (settings.pinned() and (folder / FACTS).is_file()):
            shards = of_sources(settings, arguments.plan)
            make(settings, shards, arguments.results, programs_of(arguments.programs), folder)
        facts = kept(folder)
    arguments.description.parent.mkdir(parents=True, exist_ok=True)
    arguments.description.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
