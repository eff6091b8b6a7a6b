"""The program train_kenlm, with real lmplz and SentencePiece: what it makes, what it keeps, and how it fails."""

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kun.books.tables import TableWriter
from kun.corpus.documents import SCHEMA
from kun.corpus.plan import Piece, Shard, plan_as_json
from kun.settings.perplexity import Kenlm
from kun.signals.kenlm_perplexity import load
from kun.signals.kenlm_training import name_of_model
from kun.signals.piece_training import NoPieces, sample_of, train_pieces
from ngram_texts import GOOD, ODD

PROGRAMS = {name: shutil.which(name, path=Path(sys.executable).parent) or shutil.which(name) for name in ("lmplz", "build_binary")}


def train(
    root: Path, folder: Path, section: dict, *, programs: dict | None = None, plan: Path = Path("none"), limit: int | None = None
) -> subprocess.CompletedProcess:
    """The program in `folder`; `limit`: bytes that no file may exceed, as on a disk that is full."""
    (folder / "programs.json").write_text(json.dumps(PROGRAMS | (programs or {})))
    settings = json.dumps({"order": 3, "memory": "32M"} | section)
    command = [sys.executable, "workflow_scripts/train_kenlm.py", "--settings", settings, "--plan", plan, "--results", folder]
    command += ["--programs", folder / "programs.json", "--into", folder / "made", "--description", folder / "model.json"]
    bound = (lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))) if limit else None
    return subprocess.run(command, cwd=root, capture_output=True, text=True, preexec_fn=bound)


def reference(folder: Path, lines: list[str], name: str = "reference.txt") -> dict:
    (folder / name).write_text("\n".join(lines), encoding="utf-8", newline="")
    return {"reference": [str(folder / name)]}


def described(folder: Path) -> dict:
    return json.loads((folder / "model.json").read_text())


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "made").rglob("*") if path.is_file())


def failed(done: subprocess.CompletedProcess, folder: Path, *words: str) -> None:
    """It ended with a message, no traceback, and left neither model nor description nor temporary files."""
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not (folder / "model.json").exists()
    assert not (folder / "made").exists() or not list((folder / "made").iterdir())


@pytest.mark.parametrize("unit", ["characters", "sentencepiece"])
def test_training_describes_what_it_made_and_tidies_up(root, tmp_path, unit):
    done = train(root, tmp_path, reference(tmp_path, [*GOOD * 3, *ODD]) | {"unit": unit, "pieces": 120})
    assert done.returncode == 0, done.stderr
    facts = described(tmp_path)
    assert (facts["order"], facts["texts"], facts["normaliser"], facts["given"]) == (3, 12 + 6, "kun", False)
    assert left(tmp_path) == ["facts.json", "model.bin", *(["sp.model"] if unit == "sentencepiece" else [])]
    good, shuffled = load(facts).of([GOOD[0], "".join(sorted(GOOD[0]))])
    assert good < shuffled


@pytest.mark.parametrize(
    "section",
    [
        {},
        {"unit": "sentencepiece", "pieces": 120},
        {"structure": "trie", "quantise": 8, "prune": [0, 0, 1]},
        {"unit": "sentencepiece", "pieces": 120, "normaliser": "none"},
    ],
)
def test_training_again_gives_the_same_bytes(root, tmp_path, section):
    files = []
    for name in "ab":
        (tmp_path / name).mkdir()
        assert train(root, tmp_path / name, reference(tmp_path, [*GOOD * 3, *ODD]) | section).returncode == 0
        files.append({path.name: path.read_bytes() for path in (tmp_path / name / "made").rglob("*.*") if path.suffix != ".json"})
    assert files[0] == files[1] and files[0]


def test_the_settings_shape_the_model(root, tmp_path):
    sizes = {}
    sections = {"plain": {}, "low": {"order": 2}, "pruned": {"prune": [0, 3]}, "trie": {"structure": "trie"}}
    sections["small"] = {"structure": "trie", "quantise": 4}
    for name, section in sections.items():
        assert train(root, tmp_path, reference(tmp_path, GOOD * 3 + GOOD[:1]) | section).returncode == 0
        sizes[name] = Path(described(tmp_path)["path"]).stat().st_size
        assert load(described(tmp_path)).model.order == section.get("order", 3)
    assert sizes["small"] < sizes["trie"] < sizes["plain"] and sizes["low"] < sizes["plain"] > sizes["pruned"]


def test_temporary_files_go_where_they_are_sent(root, tmp_path):
    there = tmp_path / "elsewhere/deep"
    spy = tmp_path / "lmplz"  # notes where it is to sort
    spy.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/said\nexec {PROGRAMS["lmplz"]} "$@"\n')
    spy.chmod(0o755)
    done = train(root, tmp_path, reference(tmp_path, GOOD * 3) | {"temporary": str(there)}, programs={"lmplz": str(spy)})
    assert done.returncode == 0, done.stderr
    assert f"-T {there}/kenlm-" in (tmp_path / "said").read_text() and "-S 32M" in (tmp_path / "said").read_text()
    assert list(there.iterdir()) == []


# ---------------------------------------------------------------------------------------------------------------- failing


def test_a_reference_without_text_is_an_error(root, tmp_path):
    for unit in ("characters", "sentencepiece"):
        done = train(root, tmp_path, reference(tmp_path, ["", "\u3000", "\x00"]) | {"unit": unit})
        failed(done, tmp_path, "there is no text in it")


def test_a_damaged_reference_line_is_named(root, tmp_path):
    failed(train(root, tmp_path, reference(tmp_path, ['{"text": "好"}', '{"other": 1}'], "r.jsonl")), tmp_path, "r.jsonl:2")


@pytest.mark.parametrize("structure", ["probing", "trie"])
def test_a_full_disk_is_said_and_leaves_nothing(root, tmp_path, structure):
    many = [chr(0x4E00 + number) * 3 + GOOD[number % 4] for number in range(2000)]
    section = reference(tmp_path, many) | {"structure": structure}
    failed(train(root, tmp_path, section, limit=100_000), tmp_path, "There is no room in", "perplexity.kenlm.temporary")


@pytest.mark.parametrize("program", ["lmplz", "build_binary"])
def test_a_killed_program_is_said_and_leaves_nothing(root, tmp_path, program):
    (tmp_path / "killed").write_text("#!/bin/sh\nkill -9 $$\n")
    (tmp_path / "killed").chmod(0o755)
    done = train(root, tmp_path, reference(tmp_path, GOOD * 3), programs={program: str(tmp_path / "killed")})
    failed(done, tmp_path, program, "SIGKILL", "perplexity.kenlm.memory")


def test_an_unfinished_arpa_text_makes_no_model(root, tmp_path):
    """lmplz that stops in the middle and says that all is well."""
    (tmp_path / "half").write_text(f'#!/bin/sh\n{PROGRAMS["lmplz"]} "$@" | head -c 1500\n')
    (tmp_path / "half").chmod(0o755)
    failed(
        train(root, tmp_path, reference(tmp_path, GOOD * 3), programs={"lmplz": str(tmp_path / "half")}), tmp_path, "build_binary"
    )


def test_too_few_pieces_and_programs_that_are_gone_are_said(root, tmp_path):
    section = reference(tmp_path, [chr(0x4E00 + number) * 5 for number in range(300)])
    failed(train(root, tmp_path, section | {"unit": "sentencepiece", "pieces": 100}), tmp_path, "perplexity.kenlm.pieces")
    failed(train(root, tmp_path, section, programs={"lmplz": "/gone/lmplz"}), tmp_path, "/gone/lmplz", "programs.json")


# ----------------------------------------------------------------------------------------------------- documents of sources


def plan_of(folder: Path, shards: dict[str, list[str]]) -> Path:
    """A plan of these shards (source/name: texts), and their documents."""
    entries = []
    for shard, texts in shards.items():
        source, name = shard.split("/")
        entries.append(Shard(source, name, "skypile", "utf-8", (Piece("f", "f"),)))
        table = TableWriter(folder / "documents" / f"{shard}.parquet", SCHEMA)
        for text in texts:
            table.add({"id": f"{hash_of(text):032x}", "text": text, "title": "", "category": "", "locator": "f@0+1"})
        table.close()
    (folder / "plan.json").write_text(plan_as_json(entries), encoding="utf-8")
    return folder / "plan.json"


def hash_of(text: str) -> int:
    return int.from_bytes(text.encode()[:12], "big")


def many(first: int) -> list[str]:
    return [chr(first + number) * 2 + GOOD[number % 4] for number in range(150)]


def test_a_model_of_the_sources_stays_when_they_change(root, tmp_path):
    section = {"reference": [], "sample_documents": 100}
    plan = plan_of(tmp_path, {"a/one": many(0x4E00), "b/two": many(0x5E00)})
    assert train(root, tmp_path, section, plan=plan).returncode == 0
    before, model = described(tmp_path), Path(described(tmp_path)["path"]).read_bytes()
    assert (before["shards"], before["texts"]) == (["a/one", "b/two"], 100)

    shutil.rmtree(tmp_path / "documents")  # removed by hand, and another shard came
    plan = plan_of(tmp_path, {"b/three": many(0x6E00)})
    broken = {"lmplz": "/gone"}
    assert train(root, tmp_path, section, plan=plan, programs=broken).returncode == 0
    assert described(tmp_path) == before and Path(before["path"]).read_bytes() == model

    assert train(root, tmp_path, section | {"order": 2}, plan=plan).returncode == 0, "other settings are another model"
    assert described(tmp_path)["shards"] == ["b/three"]
    assert train(root, tmp_path, section, plan=plan, programs=broken).returncode == 0
    assert described(tmp_path) == before, "and the first is still there for the first settings"


def test_a_kept_model_that_is_not_what_it_was_is_refused(root, tmp_path):
    plan = plan_of(tmp_path, {"a/one": many(0x4E00)})
    assert train(root, tmp_path, {}, plan=plan).returncode == 0
    with Path(described(tmp_path)["path"]).open("ab") as stream:
        stream.write(b"x")
    done = train(root, tmp_path, {}, plan=plan)
    assert done.returncode != 0 and "model.bin is not what was trained there" in done.stderr and "Traceback" not in done.stderr


def test_a_source_and_a_file_can_be_a_reference_together(root, tmp_path):
    plan = plan_of(tmp_path, {"a/one": many(0x4E00), "ab/two": many(0x5E00)})
    names = {"reference": ["source:a", *reference(tmp_path, GOOD)["reference"]]}
    assert train(root, tmp_path, names, plan=plan).returncode == 0
    assert (described(tmp_path)["shards"], described(tmp_path)["texts"]) == (["a/one"], 154)


def test_a_models_name_holds_what_shapes_it_and_nothing_else():
    names = [
        name_of_model(Kenlm(**section))
        for section in (
            {},
            {"order": 3},
            {"unit": "sentencepiece"},
            {"normaliser": "ccnet"},
            {"prune": [0, 1]},
            {"structure": "trie"},
        )
    ]
    assert len(set(names)) == len(names)
    assert {name_of_model(Kenlm(**section)) for section in ({"memory": "1G"}, {"temporary": "/t"}, {"pieces": 5000})} == {names[0]}
    files = {"reference": ["r.txt"]}
    assert name_of_model(Kenlm(**files, sample_documents=500)) == name_of_model(Kenlm(**files)) != names[0]


# ------------------------------------------------------------------------------------------------------------ given models


def test_a_given_pair_is_described_without_lmplz(root, tmp_path):
    train(root, tmp_path, reference(tmp_path, GOOD * 3) | {"unit": "sentencepiece", "pieces": 100})
    made = described(tmp_path)
    given = {"model": made["path"], "sentencepiece": made["sentencepiece"]["path"]}
    done = train(root, tmp_path, given, programs={"lmplz": "/gone"})
    assert done.returncode == 0, done.stderr
    facts = described(tmp_path)
    assert (facts["normaliser"], facts["unit"], facts["given"]) == ("ccnet", "sentencepiece", True)
    assert (facts["fingerprint"], facts["sentencepiece"]) == (made["fingerprint"], made["sentencepiece"])
    assert load(facts).identity == load(made).identity.replace("kun2", "ccnet1")


# ------------------------------------------------------------------------------------------------------------------ pieces


def test_the_sample_for_pieces_is_bounded_and_does_not_depend_on_order():
    texts = [chr(0x4E00 + number) * 50 for number in range(400)]
    sample = sample_of(texts, 15_000)
    assert 15_000 <= sum(len(text.encode()) for text in sample) < 15_000 + 150
    assert sample == sample_of(texts[::-1], 15_000) and set(sample) < set(texts)
    assert sample_of(texts[:20], 15_000) == sorted(sample_of(texts[:20], 15_000), key=sample_of(texts[:20]).index)
    assert set(sample_of(texts[:20], 15_000)) == set(texts[:20])
    assert all(len(text) <= 4000 for text in sample_of(["字" * 9001 + "\n第二行"]))


def test_pieces_do_not_depend_on_threads_or_chance(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", str(os.cpu_count()))
    assert train_pieces(GOOD * 5, 60) == train_pieces(GOOD * 5, 60)
    with pytest.raises(NoPieces, match="made no 3 pieces of 4 sentences"):
        train_pieces(GOOD, 3)
