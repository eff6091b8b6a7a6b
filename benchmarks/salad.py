"""Does perplexity find garbage? Texts that are known to be word salad among all others, under each model that the project can have.

The texts are read, cleaned and identified as a run does it. They are halved by near-duplicate group, so that exact copies of a text never
sit in both halves, and near ones hardly ever. A model is trained on one half, without garbage and without texts that were Traditional, and
measures the other; so no text is measured by a model that has read it, and the values of both halves are cut together. All others count
when it comes to what is lost, those that were Traditional included.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

import numpy as np
import orjson
import polars as pl

from build_kenlm import find
from kun.completions.requests import Message, Read, Request
from kun.corpus.documents import FIELDS, Unusable, to_document
from kun.corpus.plan import plan_shards
from kun.corpus.raw import read_raw
from kun.selection.lsh import groups
from kun.selection.primary import allowance
from kun.settings.completions import Engine
from kun.settings.corpus import Source, Text
from kun.settings.load import PUBLISHED
from kun.signals.causal_perplexity import perplexity
from kun.signals.fingerprints import PLACES, SIGNATURE, fingerprint_columns
from kun.signals.forms import bare, compatible
from kun.signals.kenlm_perplexity import load

PROGRAM = Path(__file__).resolve().parent.parent / "workflow_scripts/train_kenlm.py"
LARGEST = 2_000_000  # bytes of a record
AT_ONCE = 1000  # texts
SIMILARITY = 0.8  # of the pairs that meet in a group
DOUBTS = (0.0, 3.0)
LENGTHS = [0, 20, 50, 100, 200, 500, None]  # characters


# Texts


def read_texts(folder: Path, garbage: str, last: int) -> pl.DataFrame:
    """Columns text, characters, garbage, traditional (whether it was). Exits if `garbage` is no file of the sources."""
    rows, places = [], {}
    for source in _sources(folder):
        fields = FIELDS[source.format]
        for shard in plan_shards([source], range_bytes=1 << 40, pack_bytes=0):
            for number, raw in enumerate(read_raw(shard, LARGEST, [])):
                relative = raw.locator.rpartition("@")[0]
                places[relative] = number
                try:
                    if raw.value is None:
                        continue
                    text, written = (to_document(source.name, fields, raw.value, raw.locator, how)["text"] for how in _both_ways())
                except Unusable:
                    continue
                rows.append((text, len(text), relative, number, text != written))
    if garbage not in places:
        raise SystemExit(f"--garbage: there is no {garbage}; known: {', '.join(sorted(places))}")
    texts = pl.DataFrame(rows, ["text", "characters", "file", "number", "traditional"], orient="row")
    wrong = (pl.col("file") == garbage) & (pl.col("number") > places[garbage] - last)
    return texts.select("text", "characters", wrong.alias("garbage"), "traditional")


def _sources(folder: Path) -> list[Source]:
    return [
        Source(name=name, format=kind, path=str(folder / published))
        for published, (name, kind) in PUBLISHED.items()
        if (folder / published).is_dir()
    ]


def _both_ways() -> tuple[Text, Text]:
    """As a run does it, and the same without Traditional made Simplified."""
    return Text(), Text(simplify=False)


def halves(texts: list[str]) -> np.ndarray:
    """0 or 1 for each text; the same for all texts of a group, by the fingerprint of its first text."""
    fingerprints, minhashes = [], []
    for start in range(0, len(texts), AT_ONCE):
        ours, theirs = fingerprint_columns(bare(compatible(texts[start : start + AT_ONCE])))
        fingerprints += ours
        minhashes += theirs
    signatures = np.frombuffer(b"".join(minhashes), dtype=SIGNATURE).reshape(-1, PLACES)
    leaders = list(range(len(texts)))

    def leader(place: int) -> int:
        while leaders[place] != place:
            leaders[place] = place = leaders[leaders[place]]
        return place

    def join(one: int, other: int) -> None:
        one, other = sorted((leader(one), leader(other)))
        leaders[other] = one

    first: dict[object, int] = {}
    for place, fingerprint in enumerate(fingerprints):
        join(first.setdefault(fingerprint, place), place)
    found = groups(signatures, np.arange(len(texts)), SIMILARITY)
    for place, start, end in zip(found.documents.tolist(), found.offsets, found.offsets[1:], strict=False):
        for group in found.of[start:end].tolist():
            join(first.setdefault(group, place), place)
    return np.array([fingerprints[leader(place)][0] % 2 for place in range(len(texts))])


# Values


def by_ngrams(texts: pl.DataFrame, half: np.ndarray, settings: dict, work: Path) -> tuple[np.ndarray, np.ndarray]:
    """(perplexity, tokens) of all texts, each by the model of the other half."""
    values, tokens = np.empty(len(texts)), np.empty(len(texts))
    for trained in (0, 1):
        ngrams = load(_trained(texts.filter(half == trained), settings, work / f"half{trained}"))
        measured = np.flatnonzero(half != trained)
        for start in range(0, len(measured), AT_ONCE):
            here = measured[start : start + AT_ONCE]
            found = ngrams.columns(texts["text"].gather(here).to_list())
            # As the cut has it: what the model could not read is beyond it.
            values[here] = [np.inf if value is None else value for value in found["perplexity"]]
            tokens[here] = [max(count, 1) for count in found["perplexity_tokens"]]
    return values, tokens


def _trained(texts: pl.DataFrame, settings: dict, work: Path) -> dict:
    """The description of a model of these texts' good ones, by the project's program."""
    work.mkdir(parents=True, exist_ok=True)
    good = texts.filter(~pl.col("garbage") & ~pl.col("traditional"))["text"]
    reference, programs, description = work / "reference.jsonl", work / "programs.json", work / "model.json"
    with reference.open("wb") as stream:
        stream.writelines(orjson.dumps({"text": text}) + b"\n" for text in good)
    programs.write_text(json.dumps({name: find(name) for name in ("lmplz", "build_binary")}))
    settings = settings | {"reference": [str(reference)], "memory": "1G"}
    command = [sys.executable, str(PROGRAM), "--settings", json.dumps(settings), "--plan", "none", "--results", "none"]
    command += ["--programs", str(programs), "--into", str(work / "made"), "--description", str(description)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return json.loads(description.read_text(encoding="utf-8"))


def by_causal(texts: list[str], model: Path, tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """(perplexity, tokens) of each text's first `tokens` tokens."""
    from kun.completions.transformers_engine import TransformersEngine

    engine = TransformersEngine(str(model), Engine(threads=1))
    engine.submit([(str(place), Request((Message("user", text),), Read(tokens))) for place, text in enumerate(texts)])
    found = list(engine.finished().values())
    counts = np.array([completion.prompt_tokens if completion.finish == "read" else 0 for completion in found])
    pairs = zip(found, counts.tolist(), strict=True)
    values = np.array([perplexity(completion.logprobs[0], count) if count else np.inf for completion, count in pairs])
    return values, np.maximum(counts, 1)


# Figures


def judged(values: np.ndarray, tokens: np.ndarray, doubt: float) -> np.ndarray:
    """The value that a cut of this doubt looks at: a text is beyond it where this is above the cut."""
    return values / pl.select(allowance(doubt, pl.lit(pl.Series(tokens)))).to_series().to_numpy()


def auc(scores: np.ndarray, garbage: np.ndarray) -> float:
    """The chance that garbage has the higher score of two texts, one of each kind; a tie is half a chance."""
    ranks = pl.Series(scores).rank("average").to_numpy()
    bad, good = garbage.sum(), (~garbage).sum()
    return (ranks[garbage].sum() - bad * (bad + 1) / 2) / (bad * good)


def cut_at(scores: np.ndarray, garbage: np.ndarray, lost: float) -> float:
    return np.quantile(scores[~garbage], 1 - lost, method="lower")


def rows(name: str, values: np.ndarray, tokens: np.ndarray, garbage: np.ndarray) -> Iterator[str]:
    for doubt in DOUBTS:
        scores = judged(values, tokens, doubt)
        dropped = [(scores[garbage] > cut_at(scores, garbage, lost)).mean() for lost in (0.05, 0.02)]
        yield f"| {name} | {doubt:.0f} | {auc(scores, garbage):.4f} | {dropped[0]:.1%} | {dropped[1]:.1%} |"


def by_length(scores: np.ndarray, garbage: np.ndarray, characters: np.ndarray) -> Iterator[str]:
    """Where 5 % of all others are lost, whose they are."""
    beyond = scores > cut_at(scores, garbage, 0.05)
    for low, high in pairwise(LENGTHS):
        here = (characters >= low) & (characters < (high or np.inf))
        good, bad = beyond[here & ~garbage], beyond[here & garbage]
        shares = (f"{len(part)} | {part.mean():.1%}" if len(part) else "0 |" for part in (good, bad))
        yield f"| {f'{low}-{high}' if high else f'>= {low}'} | {' | '.join(shares)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, required=True, help="folder of corpora under their published names")
    parser.add_argument("--garbage", required=True, help="the file that ends in garbage, its path below its corpus's folder")
    parser.add_argument("--last", type=int, required=True, help="how many of its last records are garbage")
    parser.add_argument("--pieces", type=int, default=8000, help="size of the SentencePiece vocabularies; 0: not measured")
    parser.add_argument("--causal", type=Path, help="folder of a causal language model")
    parser.add_argument("--causal-every", type=int, default=12, help="it reads all garbage and every k-th other text")
    parser.add_argument("--causal-tokens", type=int, default=512, help="perplexity.causal.tokens")
    parser.add_argument("--work", type=Path, required=True, help="folder for models and reference texts")
    arguments = parser.parse_args()

    texts = read_texts(arguments.raw, arguments.garbage, arguments.last)
    garbage, characters = texts["garbage"].to_numpy(), texts["characters"].to_numpy()
    half = halves(texts["text"].to_list())
    print(
        f"{len(texts)} texts: {garbage.sum()} garbage, {texts['traditional'].sum()} that were Traditional; {half.sum()} in one half"
    )
    print("\n| model | doubt | AUC | dropped, 5 % lost | dropped, 2 % lost |\n| --- | --- | --- | --- | --- |", flush=True)

    plain = by_ngrams(texts, half, {}, arguments.work / "characters")
    print(*rows("characters", *plain, garbage), sep="\n", flush=True)
    if arguments.causal:
        some = garbage | (np.cumsum(~garbage) % arguments.causal_every == 0)
        read = by_causal(texts["text"].filter(some).to_list(), arguments.causal, arguments.causal_tokens)
        print(*rows("characters, texts of the next", *(part[some] for part in plain), garbage[some]), sep="\n")
        print(*rows("causal", *read, garbage[some]), sep="\n", flush=True)
    for form in ("kun", "ccnet") if arguments.pieces else ():
        settings = {"unit": "sentencepiece", "pieces": arguments.pieces, "normaliser": form}
        measured = by_ngrams(texts, half, settings, arguments.work / form)
        print(*rows(f"pieces of {form}", *measured, garbage), sep="\n", flush=True)
    for doubt in DOUBTS:
        print(f"\nCharacters, doubt {doubt:.0f}, 5 % of all others lost\n")
        print("| characters | others | lost | garbage | dropped |\n| --- | --- | --- | --- | --- |")
        print(*by_length(judged(*plain, doubt), garbage, characters), sep="\n")


if __name__ == "__main__":
    main()
