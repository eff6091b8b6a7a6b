"""Our perplexity beside datatrove's and beside KenLM's own `query`: the same documents, the same model files.

A SentencePiece and 5-gram pair is trained as CCNet trained its own (text in its normal form, a unigram vocabulary with SentencePiece's usual
normalisation, 0.9995 of the characters), as a stand-in for zh.sp.model and zh.arpa.bin; `--model` and `--sentencepiece` take those, or any
other pair, instead. datatrove is in our lock as an oracle for tests, so no other environment is needed.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

import kenlm
import orjson
import regex
import sentencepiece
from corpus_text import texts_of, write_sample
from datatrove.utils import text as datatrove_text
from datatrove.utils.perplexity import KenlmModel

from build_kenlm import find
from kun.books.digests import digest_of_file
from kun.settings.perplexity import Kenlm
from kun.signals.kenlm_forms import NORMALISERS
from kun.signals.kenlm_perplexity import NgramPerplexity, load, words_of
from kun.signals.kenlm_training import train_ngrams
from kun.signals.kenlm_words import Line
from kun.signals.piece_training import sample_of


def stand_in(paths: list[Path], pieces: int, into: Path) -> tuple[Path, Path]:
    """The pair trained on all the text of the paths: (KenLM file, SentencePiece file)."""
    normalise = NORMALISERS["ccnet"][1]
    texts = sorted({normalise(text) for text in texts_of(paths)})
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sample_of(texts, 10_000_000)),
        model_prefix=str(into / "zh.sp"),
        vocab_size=pieces,
        hard_vocab_limit=False,
        character_coverage=0.9995,
        num_threads=1,
        minloglevel=2,
    )
    words = words_of({"normaliser": "none", "sentencepiece": {"path": str(into / "zh.sp.model")}})
    lines = (line.words for lines in words(texts, None) for line in lines)
    programs = {name: find(name) for name in ("lmplz", "build_binary")}
    train_ngrams(lines, into / "zh.arpa.bin", Kenlm(order=5, prune=[0, 0, 0, 1]), programs, into)
    return into / "zh.arpa.bin", into / "zh.sp.model"


def ours(normaliser: str, model: Path, pieces: Path) -> NgramPerplexity:
    files = {"path": str(model), "fingerprint": digest_of_file(model)}
    return load(files | {"normaliser": normaliser, "sentencepiece": {"path": str(pieces), "fingerprint": digest_of_file(pieces)}})


def theirs(model: Path, pieces: Path) -> KenlmModel:
    """datatrove's, with files that are here where it would ask a hub."""
    peer = KenlmModel("here", "zh")
    peer._model = kenlm.Model(str(model))
    peer.tokenizer._model = sentencepiece.SentencePieceProcessor(model_file=str(pieces))
    return peer


@contextmanager
def each_digit_by_itself() -> Iterator[None]:
    """datatrove's normal form with the one thing changed in which it is not CCNet's."""
    usual, datatrove_text.NUMBERS_PATTERN = datatrove_text.NUMBERS_PATTERN, regex.compile(r"\p{Nd}")
    try:
        yield
    finally:
        datatrove_text.NUMBERS_PATTERN = usual


def by_query(model: Path, documents: list[list[Line]]) -> list[float]:
    """Perplexities from what `query` prints: a total for each line of each document."""
    text = "".join(f"{line.words}\n" for lines in documents for line in lines)
    done = subprocess.run([find("query"), "-v", "sentence", str(model)], input=text, capture_output=True, text=True, check=True)
    totals = iter([float(row.split()[1]) for row in done.stdout.split("\n") if row.startswith("Total:")])
    return [10 ** (-sum(next(totals) for _ in lines) / sum(line.count + 1 for line in lines)) for lines in documents]


def compare(name: str, ours: list[float], theirs: Iterable[float], texts: list[str]) -> None:
    pairs = list(zip(ours, theirs, texts, strict=True))
    apart = [text for mine, other, text in pairs if abs(mine - other) > 0.1]
    print(
        f"{name}: largest difference {max(abs(mine - other) for mine, other, _ in pairs):.3g}, "
        f"relative {max(abs(mine - other) / other for mine, other, _ in pairs):.2g}, {len(apart)} of {len(pairs)} documents more than 0.1 apart"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--text", type=Path, nargs="+", required=True, help="files or folders of documents, as for corpus_speed.py")
    parser.add_argument("--documents", type=int, default=1000)
    parser.add_argument("--pieces", type=int, default=16_000, help="size of the stand-in's vocabulary")
    parser.add_argument("--model", type=Path, help="a KenLM file, instead of the stand-in")
    parser.add_argument("--sentencepiece", type=Path, help="the SentencePiece file that belongs to it")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        write_sample(arguments.text, arguments.documents, 1, work / "sample.jsonl")
        texts = [orjson.loads(line)["text"] for line in (work / "sample.jsonl").read_bytes().splitlines()]
        pair = (arguments.model, arguments.sentencepiece) if arguments.model else stand_in(arguments.text, arguments.pieces, work)
        lines = sum("\n" in text for text in texts)
        print(f"{len(texts)} documents of {sum(map(len, texts)) / len(texts):.0f} characters, {lines} with newlines")
        peer = theirs(*pair)
        ccnet, number_as_one, plain = (ours(name, *pair) for name in ("ccnet", "datatrove", "none"))

        compare("datatrove, normalised (ours: datatrove)", number_as_one.of(texts), map(peer.get_perplexity, texts), texts)
        compare(
            "datatrove, not normalised (ours: none)", plain.of(texts), [peer.get_perplexity(text, False) for text in texts], texts
        )
        with each_digit_by_itself():
            compare("datatrove with CCNet's digits (ours: ccnet)", ccnet.of(texts), map(peer.get_perplexity, texts), texts)
        compare("datatrove as it is against CCNet's own form", ccnet.of(texts), map(peer.get_perplexity, texts), texts)
        for name, measured in (("ccnet", ccnet), ("none", plain)):
            compare(f"query ({name})", measured.of(texts), by_query(pair[0], list(measured.words(texts, None))), texts)


if __name__ == "__main__":
    main()
