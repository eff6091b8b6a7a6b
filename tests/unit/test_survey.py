"""The survey of perplexities: its counts are those of the tables, its texts are the nearest, and its page shows text as text."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kun.books.digests import digest
from kun.books.tables import TableWriter
from kun.corpus.documents import SCHEMA as DOCUMENTS
from kun.corpus.plan import Shard, plan_as_json
from kun.report.perplexity_picture import picture
from kun.signals.measure import SCHEMA as SIGNALS

HOSTILE = "<script>alert('坏')</script>{{ 7*7 }}&lt;b&gt; 酒店很好，下次还来。"


@pytest.fixture
def surveyed(root: Path, tmp_path: Path):
    """The program run on shards given as lists of (text, perplexity)."""

    def run(cuts: dict, check: bool = True, identity: str = "字符:甲", **shards: list) -> tuple[dict, str]:
        plan = [Shard("源", name, "jsonl", "utf-8", ()) for name in shards]
        (tmp_path / "plan.json").write_text(plan_as_json(plan), encoding="utf-8")
        for name, rows in shards.items():
            documents = TableWriter(tmp_path / f"documents/源/{name}.parquet", DOCUMENTS)
            signals = TableWriter(tmp_path / f"signals/源/{name}.parquet", SIGNALS, {"perplexity": identity})
            for number, (text, value) in enumerate(rows):
                known = {"id": digest(text), "text": text, "title": "", "category": "", "locator": f"{name}@{number}"}
                documents.add(known)
                blank = {field.name: None for field in SIGNALS} | {"fingerprint": b"f" * 16, "minhash": b"m" * 256}
                signals.add(blank | {"id": known["id"], "characters": len(text), "perplexity": value})
            documents.close()
            signals.close()
        made = {"column": "perplexity", "identity": "字符:甲", "cuts": cuts}
        (tmp_path / "cut.json").write_text(json.dumps(made), encoding="utf-8")
        command = [sys.executable, "workflow_scripts/survey_perplexity.py", "--plan", tmp_path / "plan.json", "--results", tmp_path]
        command += [
            "--calibrations",
            tmp_path / "cut.json",
            "--name",
            "数据",
            "--survey",
            tmp_path / "s.json",
            "--page",
            tmp_path / "s.html",
        ]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True)
        if not check:
            return {}, done.stderr
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / "s.json").read_text())["perplexity"], (tmp_path / "s.html").read_text(encoding="utf-8")

    return run


def test_counts_are_those_of_the_tables(surveyed):
    rows = [(f"{'字' * length}{number}", 10.0 * (number + 1)) for length in (5, 30, 300) for number in range(20)]
    found, _ = surveyed({"*": {"low": 25.0, "high": 150.0}}, 一=rows, 二=[("没有值", None), ("也没有", float("nan"))])
    known = found["sources"]["源"]
    assert sum(count for _, count in known["bins"]) == known["documents"] == 60 and found["without"] == 2
    assert (known["below"], known["above"]) == (6, 15)
    assert [band["documents"] for band in found["lengths"]] == [20, 20, 0, 0, 20, 0, 0]
    assert [(band["below"], band["above"]) for band in found["lengths"] if band["documents"]] == [(2, 5)] * 3
    medians = [band["quantiles"]["50"] for band in found["lengths"] if band["documents"]]
    assert all(median == pytest.approx(100, rel=0.05) for median in medians)


def test_the_texts_shown_are_the_nearest_on_either_side_each_once(surveyed):
    rows = [(f"第{number}个文本", float(number)) for number in range(1, 101)]
    found, _ = surveyed({"*": {"low": None, "high": 50.0}}, 一=rows[::2], 二=rows[1::2] + rows[:60])
    assert [text["value"] for text in found["texts"]["high inside"]] == [float(number) for number in range(41, 51)]
    assert [text["value"] for text in found["texts"]["high outside"]] == [float(number) for number in range(51, 61)]
    assert all(text["text"] == f"第{text['value']:.0f}个文本" for side in found["texts"].values() for text in side)
    assert "low inside" not in found["texts"]


def test_a_text_is_shown_as_text_and_a_long_one_in_part(surveyed):
    _, page = surveyed({"*": {"low": None, "high": 50.0}}, 一=[(HOSTILE, 49.0), ("长" * 5000, 51.0)])
    assert "<script>" not in page and "&lt;script&gt;alert" in page and "{{ 7*7 }}" in page
    assert page.count("长") == 400


def test_cuts_by_source_are_drawn_in_their_rows(surveyed):
    found, page = surveyed({"源": {"low": 2.0, "high": 50.0}}, 一=[(f"文本{number}", float(number)) for number in range(1, 90)])
    [row] = picture("perplexity", found)["rows"]
    assert [(cut["end"], cut["value"]) for cut in row["cuts"]] == [("low", 2.0), ("high", 50.0)]
    assert 0 < row["cuts"][0]["place"] < row["cuts"][1]["place"] < 100
    assert (row["below"], row["above"]) == (pytest.approx(100 / 89), pytest.approx(3900 / 89))
    assert [bar["gone"] for bar in row["bars"]][:1] == [True] and row["bars"][-1]["gone"]
    assert sum(bar["count"] for bar in row["bars"]) == 89 and page.count('class="cut"') >= 2


@pytest.mark.parametrize("rows", [[], [("无", None)], [("一个", 1.0)], [("甲", 5.0), ("乙", 5.0)]])
def test_few_texts_or_none_are_shown_too(surveyed, rows):
    _, page = surveyed({"*": {"low": None, "high": 50.0}}, 一=rows)
    assert "N-gram perplexity" in page


def test_values_under_another_identity_are_refused(surveyed):
    _, said = surveyed({"*": {"low": None, "high": 50.0}}, check=False, identity="字符:乙", 一=[("文本", 1.0)])
    assert "字符:甲" in said and "字符:乙" in said and "Traceback" not in said
