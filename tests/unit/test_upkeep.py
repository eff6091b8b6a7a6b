"""Looking after journals: what is shown, that compacting changes no answer, that a kill half-way loses none, what is forgotten."""

import subprocess
import sys
from pathlib import Path

import pytest

from kun.books.digests import digest
from kun.completions import upkeep
from kun.completions.journal import segments
from kun.completions.requests import Completion
from kun.completions.store import Store

KEYS = [digest(str(number)) for number in range(6)]
SETTINGS = {"name": "transformers", "torch": "2", "settings": "s"}


def answer(text: str, finish: str = "stop") -> Completion:
    return Completion(text, finish, 3, len(text))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """One journal of label: a repeated answer, one cut off, one failed, a damaged line and a torn tail; ledgers of its shard and another."""
    journal = tmp_path / "completions/label/wudao/甲 一"
    for some in (
        {KEYS[0]: answer("一"), KEYS[1]: answer("二“😀”", "length")},
        {KEYS[0]: answer("又一"), KEYS[2]: answer("三")},
        {KEYS[3]: answer("不成", "failed")},
    ):
        store = Store(journal, SETTINGS)
        store.add(some)
        store.close()
    with segments(journal)[0].open("ab") as stream:
        stream.write(b'{"keys":"' + KEYS[4].encode() + b'","answers":[oops]}\n{"keys":"' + KEYS[5].encode())
    for shard in ("甲 一", "乙"):
        for folder in ("primary", "labelled", "scored", "pairs"):
            (tmp_path / folder / "wudao").mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / f"wudao/{shard}.ledger.json").write_text("{}")
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset/README.md").write_text("")
    return tmp_path


def journal_of(results: Path) -> Path:
    [journal] = upkeep.journals(results)
    return journal


def known(results: Path) -> dict[str, Completion]:
    return Store(journal_of(results), SETTINGS).read(KEYS)


def run(root: Path, results: Path, *arguments: str) -> str:
    command = [sys.executable, "workflow_scripts/journal.py", *arguments, "--results", str(results)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout


def ledgers(results: Path) -> set[str]:
    return {str(path.relative_to(results)) for path in [*results.rglob("*.ledger.json"), *results.rglob("README.md")]}


def test_what_is_in_the_journals_is_shown(root: Path, results: Path):
    said = run(root, results, "show")
    assert "label: 5 answers in 3 segments of 1 journals" in said
    assert "failed 1, length 1, stop 3" in said and "transformers, torch 2: 5" in said
    assert "torn or damaged lines: 2" in said


def test_compacting_leaves_one_segment_and_every_answer(root: Path, results: Path):
    before = known(results)
    assert len(before) == 4
    assert "left alone" in run(root, results, "compact") and len(segments(journal_of(results))) == 3
    assert "1 repeated answers and 2 unreadable lines" in run(root, results, "compact", "--force")
    assert known(results) == before
    assert len(segments(journal_of(results))) == 1 and "damaged" not in run(root, results, "show")
    upkeep.compact(journal_of(results))
    assert known(results) == before


@pytest.mark.parametrize("dies_at", range(4))
def test_a_kill_half_way_loses_no_answer(results: Path, monkeypatch, dies_at: int):
    """It dies when the new segment gets its name, or when the old ones go."""
    before, calls = known(results), []
    journal = journal_of(results)

    def dying(plain):
        def step(*given, **options):
            if len(calls) == dies_at:
                raise KeyboardInterrupt
            calls.append(given)
            return plain(*given, **options)

        return step

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", dying(Path.rename))
        patched.setattr(Path, "unlink", dying(Path.unlink))
        with pytest.raises(KeyboardInterrupt):
            upkeep.compact(journal)
    assert known(results) == before
    upkeep.compact(journal)
    assert known(results) == before and len(segments(journal)) == 1


@pytest.mark.parametrize(("finish", "gone"), [("length", KEYS[1]), ("failed", KEYS[3])])
def test_forgotten_answers_are_gone_and_their_shard_is_to_be_done_again(root: Path, results: Path, finish: str, gone: str):
    before, files = known(results), ledgers(results)
    assert run(root, results, "forget", "--finish", finish, "--stage", "score", "--force") == ""
    assert "1 answers forgotten, 4 files removed" in run(root, results, "forget", "--finish", finish, "--force")
    assert known(results) == {key: found for key, found in before.items() if key != gone}
    again = {f"{folder}/wudao/甲 一.ledger.json" for folder in ("labelled", "scored", "pairs")} | {"dataset/README.md"}
    assert files - ledgers(results) == again
    assert run(root, results, "forget", "--finish", finish, "--force") == "", "nothing is left to forget"
