"""Several instructions for a text: which of them are different, and which is taken."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kun.books.ledger import Ledger
from kun.books.stage import ledger_path
from kun.books.tables import TableWriter, read_rows
from kun.completions.requests import Completion, Generate
from kun.completions.store import Store
from kun.roles.columns import LABELLED, PRIMARY
from kun.roles.label import different, instruction_of
from kun.roles.outcome import Outcome
from kun.roles.prompt import fixed_lines, read_prompt, request_with
from kun.selection.candidates import with_best
from kun.settings.load import BadConfiguration, load
from kun.settings.roles import Label

DRAWN = {"decoding": {"temperature": 0.7}, "candidates": 3}


def said(text: str, finish: str = "stop") -> Completion:
    return Completion(text, finish, 9, 7)


def row(scores: list[float | None], candidates: list[str] | None = None) -> dict:
    candidates = candidates or [f"介绍第{place}个朝代" for place in range(len(scores))]
    return {
        "id": "1",
        "candidates": candidates,
        "candidates_raw": [f"指令：{text}" for text in candidates],
        "candidate_scores": scores,
        "candidate_outside": [0.1 * place for place in range(len(scores))],
        "score": max(score for score in scores if score is not None),
    }


def none(instruction: str, score: float) -> None:
    return None


def test_the_best_by_score_is_taken_with_its_own_raw_text_and_mass():
    chosen, reason = with_best(row([0.2, 0.9, 0.5]), none)
    assert reason is None
    assert chosen == {
        "id": "1",
        "instruction": "介绍第1个朝代",
        "instruction_raw": "指令：介绍第1个朝代",
        "score": 0.9,
        "score_outside": 0.1,
    }


def test_of_equal_scores_the_first_is_taken_and_one_without_a_score_never():
    assert with_best(row([None, 0.5, 0.5]), none)[0]["instruction"] == "介绍第1个朝代"


def test_a_better_one_that_a_rule_drops_gives_way_to_the_next():
    scored = row([0.2, 0.9, 0.5], ["写一首诗", "根据上述材料回答", "介绍西湖"])
    chosen, reason = with_best(scored, lambda text, score: ("instruction_words", text) if "材料" in text else None)
    assert (chosen["instruction"], chosen["score"], reason) == ("介绍西湖", 0.5, None)


def test_where_none_passes_the_best_one_and_its_reason_stand_for_all():
    chosen, reason = with_best(row([0.2, 0.4]), lambda text, score: ("low_score", f"{score}"))
    assert (chosen["score"], reason) == (0.4, ("low_score", "0.4"))


def test_candidates_that_differ_in_punctuation_and_width_alone_are_one():
    texts = ["介绍西湖。", "介绍 西湖", "介绍西湖！", "介绍东湖"]
    assert different([Outcome("parsed", text) for text in texts]) == [0, 3]
    assert different([Outcome("refused"), Outcome("parsed", "介绍西湖"), Outcome("truncated")]) == [1]


def test_several_candidates_without_chance_are_refused():
    with pytest.raises(BadConfiguration, match="temperature"):
        load({"label": {"candidates": 2, "decoding": {"temperature": 0}}})
    with pytest.raises(BadConfiguration, match="temperature"):
        load({"label": {"candidates": 2, "decoding": {"preset": "greedy"}}})


@pytest.mark.parametrize(
    "text",
    [
        "下面是一段回答。请写出它最可能在回答的那一条指令。指令要清楚、完整、具体，写明主题，只写指令本身。\n\n介绍西湖的来历",
        "回答：\n指令：介绍西湖的来历",
        "指令：“介绍西湖的来历”\n\n介绍西湖的来历\n\n介绍西湖的来历",
    ],
)
def test_what_repeats_the_prompt_or_itself_is_not_the_instruction(root: Path, text: str):
    echo = fixed_lines(read_prompt(root / "config/prompts/label.jinja", "text"), "text")
    assert instruction_of(said(text), echo).text == "介绍西湖的来历"


def test_the_programs_carry_different_candidates_and_count_all(root: Path, tmp_path: Path):
    """label with a full journal, so that no model is needed."""
    (tmp_path / "model.json").write_text(json.dumps({"path": "nowhere", "fingerprint": "m"}))
    table = TableWriter(tmp_path / "primary.parquet", PRIMARY)
    known = {"title": "", "category": "", "locator": "", "tokens": 5, "perplexity": 1.0, "causal_perplexity": None}
    drawn = {
        "西湖在杭州。": [said("介绍西湖"), said("介绍西湖。"), said("西湖在哪里？")],
        "長城很長。": [said("……", "length"), said("介紹長城"), said("抱歉，我不能")],
        "😀": [said("……", "length"), said("……", "length"), said("！！")],
    }
    prompt = read_prompt(root / "config/prompts/label.jinja", "text")
    decoding = Generate(**Label.model_validate(DRAWN).decoding.drawn())
    store = Store(tmp_path / "journal")
    for text, answers in drawn.items():
        table.add({"id": text, "text": text, **known})
        keys = [request_with(prompt, decoding, candidate, text=text).key("m") for candidate in range(3)]
        assert len(set(keys)) == 3
        store.add(dict(zip(keys, answers, strict=True)))
    table.close()
    store.close()
    command = [
        sys.executable,
        "workflow_scripts/label.py",
        "--records",
        tmp_path / "primary.parquet",
        "--model",
        tmp_path / "model.json",
    ]
    command += ["--engine", "{}", "--prompt", "config/prompts/label.jinja", "--store", tmp_path / "journal", "--name", "label"]
    command += ["--settings", json.dumps(DRAWN), "--output", tmp_path / "labelled.parquet"]
    subprocess.run(list(map(str, command)), cwd=root, check=True)

    rows = list(read_rows(tmp_path / "labelled.parquet"))
    assert [row["candidates"] for row in rows] == [["介绍西湖", "西湖在哪里？"], ["介紹長城"]]
    assert [row["candidates_raw"] for row in rows] == [["介绍西湖", "西湖在哪里？"], ["介紹長城"]]
    assert set(rows[0]) == set(LABELLED.names)
    ledger = Ledger.read(ledger_path(tmp_path / "labelled.parquet"))
    assert (ledger.came_in, ledger.kept, ledger.dropped) == (3, 2, {"truncated": 1})
    assert ledger.notes["candidates"] == {"alike": 1, "parsed": 4, "refused": 1, "truncated": 3, "unparsed": 1}
    assert ledger.notes["output_tokens"] == 9 * 7
