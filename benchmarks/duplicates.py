"""Duplicates measured: how many near duplicates are found, against every pair compared; and what a million documents cost.

    python benchmarks/duplicates.py accuracy [FOLDER | FILE.jsonl | FILE.parquet ...]     default: the demo's material
    python benchmarks/duplicates.py scale FOLDER [--documents 1000000] [--texts FILE ...]     FOLDER takes 0.8 GB a million

Texts are real ones; where there are few natural near duplicates, edited copies are added: signs replaced, passages left
out, tails added, by chance from a fixed seed, so that a run can be repeated.
"""

import argparse
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import wraps
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "workflow_scripts"))

from kun.selection import duplicates  # noqa: E402
from kun.selection.lsh import bands, groups  # noqa: E402
from kun.selection.similarity import shingle_sets  # noqa: E402
from kun.settings.selection import Duplicates  # noqa: E402
from kun.signals.fingerprints import PLACES, SIGNATURE, fingerprint_columns  # noqa: E402
from kun.signals.forms import bare, compatible  # noqa: E402

LEAST = 0.5  # pairs less similar are not looked at
BINS = [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 1.0]
SHARD = 5000  # documents of a shard


# ------------------------------------------------------------------------------------------------------------------ texts


def texts_of(paths: list[Path]) -> Iterator[str]:
    """The texts ("text" or "content") of files, or of all files in folders: .jsonl, .json (an array), .parquet."""
    for path in paths:
        if path.is_dir():
            yield from texts_of(sorted(file for file in path.rglob("*") if file.suffix in (".jsonl", ".json", ".parquet")))
        elif path.suffix == ".parquet":
            yield from pq.read_table(path, columns=["text"])["text"].to_pylist()
        else:
            data = path.read_bytes()
            lines = _array(data) if path.suffix == ".json" else map(_object, data.splitlines())
            for line in lines:
                text = line.get("text") or line.get("content") if isinstance(line, dict) else None
                if isinstance(text, str):
                    yield text


def _object(line: bytes) -> object:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _array(data: bytes) -> list:
    whole = _object(data)
    return whole if isinstance(whole, list) else []


def edited(text: str, chance: random.Random) -> str:
    """A copy with a few per cent changed in one of three ways."""
    way, much = chance.randrange(3), chance.uniform(0, 0.25)
    if way == 0:  # characters replaced, each of which spoils up to five shingles
        signs = list(text)
        for _ in range(max(1, round(len(signs) * much / 5))):
            signs[chance.randrange(len(signs))] = chance.choice(text)
        return "".join(signs)
    start = chance.randrange(len(text))
    size = max(1, round(len(text) * much))
    if way == 1:  # a passage left out
        return text[:start] + text[start + size :]
    return text + "".join(chance.choices(text, k=size))  # something appended


# --------------------------------------------------------------------------------------------------------------- accuracy


def similar_pairs(sets: list[np.ndarray], least: float) -> dict[tuple[int, int], float]:
    """Every pair (i < j) with a Jaccard similarity of at least `least`: each text against all earlier ones."""
    lengths = np.array([len(one) for one in sets])
    hashes, owners = np.concatenate(sets), np.repeat(np.arange(len(sets)), lengths)
    order = np.lexsort((owners, hashes))
    hashes, owners = hashes[order], owners[order]
    found = {}
    for number, one in enumerate(sets):
        starts, ends = np.searchsorted(hashes, one), np.searchsorted(hashes, one, side="right")
        counts = ends - starts
        at = np.repeat(ends - np.cumsum(counts), counts) + np.arange(counts.sum())
        others = owners[at]
        shared = np.bincount(others[others < number], minlength=len(sets))[:number]
        similarity = shared / np.maximum(1, lengths[number] + lengths[:number] - shared)
        for other in np.flatnonzero(similarity >= least):
            found[int(other), number] = float(similarity[other])
    return found


def brute_walk(fingerprints: list[bytes], pairs: dict[tuple[int, int], float], threshold: float) -> list[int]:
    """The owner of each text (itself, if it is nobody's duplicate), by the words of kun/selection/duplicates.py and no others."""
    similar: dict[int, list[int]] = {}
    for (one, other), value in pairs.items():
        if value >= threshold:
            similar.setdefault(other, []).append(one)
    owners, first = [], {}
    for number, fingerprint in enumerate(fingerprints):
        candidates = [other for other in similar.get(number, []) if owners[other] == other]
        if (copy := first.setdefault(fingerprint, number)) != number:
            candidates.append(owners[copy])
        owners.append(min(candidates, default=number))
    return owners


def accuracy(paths: list[Path], most: int) -> None:
    chance = random.Random(1)
    texts = [text for text in texts_of(paths) if len(text) >= 20]
    chance.shuffle(texts)
    texts = texts[:most]
    natural = len(texts)
    for text in texts[: natural // 3]:
        texts.append(edited(text, chance))
    print(f"{natural} real texts, {len(texts) - natural} edited copies")
    fingerprints, minhashes = fingerprint_columns(bare(compatible(texts)))
    sets = shingle_sets(texts)
    began = time.perf_counter()
    pairs = similar_pairs(sets, LEAST)
    print(f"every pair compared in {time.perf_counter() - began:.0f} s: {len(pairs)} at or above {LEAST}")
    signatures = np.frombuffer(b"".join(minhashes), dtype=SIGNATURE).reshape(-1, PLACES)
    print(f"signature's error on these: {_error(signatures, pairs):.4f} (root of the mean square)\n")
    first = dict(reversed([(fingerprint, number) for number, fingerprint in enumerate(fingerprints)]))
    distinct = np.array(sorted(first.values()))
    is_distinct = np.zeros(len(texts), dtype=bool)
    is_distinct[distinct] = True
    for threshold in (0.5, 0.6, 0.7, 0.8, 0.9):
        true = {pair: value for pair, value in pairs.items() if value >= threshold and is_distinct[list(pair)].all()}
        met = pairs_met(signatures, distinct, threshold)
        verified = {pair for pair in met if pairs.get(pair, 0) >= threshold}
        estimated = {pair for pair in met if _agree(signatures, pair) >= threshold}
        shape = "{} bands of {}".format(*bands(threshold, PLACES).shape)
        print(f"similarity {threshold}, {shape}: {len(true)} near pairs, {len(met)} pairs met")
        for name, chosen in (("found", verified), ("by signature alone", estimated)):
            right = sum(pair in true for pair in chosen)
            print(f"  {name}: recall {right / max(1, len(true)):.4f}, precision {right / max(1, len(chosen)):.4f}")
        for kind, chosen in (("real pairs", lambda pair: pair[1] < natural), ("edited copies", lambda pair: pair[1] >= natural)):
            print(f"  recall of {kind}: " + _by_bin({pair: value for pair, value in true.items() if chosen(pair)}, verified))
        print("  " + _documents(texts, fingerprints, minhashes, pairs, threshold) + "\n", flush=True)


def _by_bin(true: dict[tuple[int, int], float], found: set[tuple[int, int]]) -> str:
    said = []
    for low, high in zip(BINS, [*BINS[1:], 2], strict=True):
        here = [pair for pair, value in true.items() if low <= value < high]
        if here:
            name = f"{low:g}–{high:g}" if high <= 1 else "1"
            said.append(
                f"{name}: {sum(pair in found for pair in here)}/{len(here)} = {np.mean([pair in found for pair in here]):.3f}"
            )
    return "; ".join(said)


def _agree(signatures: np.ndarray, pair: tuple[int, int]) -> float:
    return float((signatures[pair[0]] == signatures[pair[1]]).mean())


def _error(signatures: np.ndarray, pairs: dict[tuple[int, int], float]) -> float:
    return float(np.sqrt(np.mean([(_agree(signatures, pair) - value) ** 2 for pair, value in pairs.items()])))


def pairs_met(signatures: np.ndarray, documents: np.ndarray, threshold: float) -> set[tuple[int, int]]:
    """Pairs of documents that share a group."""
    found = groups(signatures, documents, threshold)
    members: dict[int, list[int]] = {}
    for number, start, end in zip(found.documents.tolist(), found.offsets, found.offsets[1:], strict=False):
        for group in found.of[start:end].tolist():
            members.setdefault(group, []).append(number)
    return {(one, other) for group in members.values() for place, other in enumerate(group) for one in group[:place]}


def _documents(
    texts: list[str], fingerprints: list[bytes], minhashes: list[bytes], pairs: dict[tuple[int, int], float], threshold: float
) -> str:
    """The whole search, by files, against the walk that knows every pair."""
    expected = brute_walk(fingerprints, pairs, threshold)
    with tempfile.TemporaryDirectory() as folder:
        shards = []
        for start in range(0, len(texts), SHARD):
            here = slice(start, start + SHARD)
            shards.append(write_shard(Path(folder), len(shards), texts[here], fingerprints[here], minhashes[here]))
        owners = list(range(len(texts)))
        for place, (_, copies) in enumerate(duplicates.find_duplicates(shards, Duplicates(similarity=threshold))):
            for row in copies.to_pylist():
                shard, number = row["owner"].removeprefix("text:").split("@")
                owners[place * SHARD + row["row"]] = int(shard) * SHARD + int(number)
    found, true = ({number for number, owner in enumerate(side) if owner != number} for side in (owners, expected))
    return (
        f"documents: {len(true)} duplicates of {len(texts)} by every pair, {len(found)} found, {len(found & true)} of both"
        f" (recall {len(found & true) / max(1, len(true)):.4f}, precision {len(found & true) / max(1, len(found)):.4f});"
        f" same owner for {np.mean([a == b for a, b in zip(owners, expected, strict=True)]):.4%} of all documents"
    )


def write_shard(folder: Path, number: int, texts: list[str], fingerprints: list[bytes], minhashes: list[bytes]) -> duplicates.Shard:
    """Tables as `ingest` and `measure` leave them, with the columns that the search reads."""
    signals, documents = folder / f"{number:05d}.signals.parquet", folder / f"{number:05d}.documents.parquet"
    columns = {"fingerprint": pa.array(fingerprints, pa.binary(16)), "minhash": pa.array(minhashes, pa.binary(2 * PLACES))}
    pq.write_table(pa.table(columns), signals, compression="zstd", row_group_size=1024)
    locators = [f"{number}@{place}" for place in range(len(texts))]
    pq.write_table(pa.table({"text": texts, "locator": locators}), documents, compression="zstd", row_group_size=1024)
    return f"text/{number:05d}", signals, documents


# ------------------------------------------------------------------------------------------------------------------ scale


class Corpus:
    """Any number of documents of 150 to 400 characters out of real sentences: 80 % new, 10 % exact copies, 10 % edited copies."""

    def __init__(self, texts: Iterator[str]):
        self.sentences = sorted({part for text in texts for part in re.findall(r"[^。！？\n]{12,80}[。！？\n]", text)})

    def document(self, number: int) -> str:
        chance = random.Random(number)
        kind = chance.random() if number else 1
        if kind < 0.1:
            return self._new(chance.randrange(number)).replace("，", ", ") + "\n"
        if kind < 0.2:
            return edited(self._new(chance.randrange(number)), chance)
        return self._new(number)

    def _new(self, number: int) -> str:
        chance = random.Random(-1 - number)
        size, text = chance.randrange(150, 400), ""
        while len(text) < size:
            text += chance.choice(self.sentences)
        return text


def generate(folder: Path, documents: int, paths: list[Path]) -> None:
    corpus = Corpus(texts_of(paths))
    print(f"{len(corpus.sentences)} sentences; writing {documents} documents to {folder}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    for number, start in enumerate(range(0, documents, SHARD)):
        if (folder / f"{number:05d}.documents.parquet").exists():  # of a smaller run: a document depends on its number alone
            continue
        texts = [corpus.document(place) for place in range(start, min(documents, start + SHARD))]
        columns = [fingerprint_columns(bare(compatible(texts[at : at + 512]))) for at in range(0, len(texts), 512)]
        write_shard(folder, number, texts, *([value for part in columns for value in part[side]] for side in (0, 1)))


def scale(folder: Path, documents: int, paths: list[Path]) -> None:
    count = -(-documents // SHARD)
    shards = [(f"text/{n:05d}", folder / f"{n:05d}.signals.parquet", folder / f"{n:05d}.documents.parquet") for n in range(count)]
    if not all(path.exists() for _, *both in shards for path in both):
        # In a process of its own, so that its memory is not counted.
        command = [sys.executable, __file__, "generate", folder, "--documents", documents, "--texts", *paths]
        subprocess.run(list(map(str, command)), check=True)
    stages: list[tuple[str, float, float]] = []
    for name in ("read_signals", "first_of_each", "groups", "near_owners"):
        setattr(duplicates, name, _timed(name, getattr(duplicates, name), stages))
    at_start, began = _peak(), time.perf_counter()
    rest = duplicates.find_duplicates(shards, Duplicates())
    written = time.perf_counter()
    kinds = [kind for _, copies in rest for kind in copies["kind"].to_pylist()]
    stages.append(("tables", time.perf_counter() - written, _peak()))
    total = time.perf_counter() - began
    print(f"{documents} documents: {kinds.count('exact')} exact and {kinds.count('near')} near duplicates")
    print(f"{'stage':<16}{'seconds':>9}{'peak MB':>9}   at the start {at_start:.0f} MB")
    for name, seconds, peak in stages:
        print(f"{name:<16}{seconds:>9.1f}{peak:>9.0f}")
    larger = 10_000_000 / documents
    peak = (_peak() - at_start) * larger + at_start
    print(f"{'all':<16}{total:>9.1f}{_peak():>9.0f}")
    print(f"ten million, in proportion: {total * larger / 60:.0f} min, {peak / 1000:.1f} GB (too much from less than a million)")


def _timed(name: str, function, stages: list):
    @wraps(function)
    def timed(*arguments):
        began = time.perf_counter()
        result = function(*arguments)
        stages.append((name, time.perf_counter() - began, _peak()))
        return result

    return timed


def _peak() -> float:
    """Largest memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    demo = [ROOT / "data/demo/raw"]
    part = parts.add_parser("accuracy")
    part.add_argument("paths", nargs="*", type=Path, default=demo)
    part.add_argument("--most", type=int, default=20_000, help="real texts that are taken")
    for name in ("scale", "generate"):
        part = parts.add_parser(name)
        part.add_argument("folder", type=Path)
        part.add_argument("--documents", type=int, default=1_000_000)
        part.add_argument("--texts", nargs="+", type=Path, default=demo)
    arguments = parser.parse_args()
    if arguments.part == "accuracy":
        accuracy(arguments.paths, arguments.most)
    else:
        {"scale": scale, "generate": generate}[arguments.part](arguments.folder, arguments.documents, arguments.texts)


if __name__ == "__main__":
    main()
