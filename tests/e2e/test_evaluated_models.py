"""`snakemake evaluate` on a finished run: the models are compared, and nothing else of the workflow looks at it."""

import json
from pathlib import Path

import pytest
import yaml

from e2e.conftest import CONFIG, Project, finished_jobs, jobs_of
from kun.books.tables import read_rows

QUESTIONS = """\ufeff,Question,A,B,C,D,Answer
0,"一年有几个月，",十个,十一个,十二个,十三个,C
1,太阳从哪边升起,东边,西边,南边,北边,Ａ
2,水的化学式是,CO2,H2O,O2,NaCl,b
3,三加五等于几,六,七,八,九,C
4,这一题没有答案,一,二,三,四,
5,床前明月光的作者是,杜甫,李白,白居易,王维,B
"""
SHOTS = {
    "Question": "一周有几天",
    "A": "五天",
    "B": "六天",
    "C": "七天",
    "D": "八天",
    "Answer": "C",
    "subject": "elementary_commonsense",
}
OWN = {"read_questions", "read_shots", "answer_questions", "measure_held_out", "compare_models", "evaluate"}


def test_models_are_compared_and_nothing_depends_on_it(finished: Project, tmp_path: Path) -> None:
    project = finished.copied_to(tmp_path / "kun")
    folder = project.path("data/考题")
    folder.mkdir()
    (folder / "elementary_commonsense.csv").write_text(QUESTIONS, encoding="utf-8")
    project.path("data/例题.jsonl").write_text(json.dumps(SHOTS, ensure_ascii=False) + "\n", encoding="utf-8")
    config = CONFIG | {"evaluation": {"questions": ["data/考题"], "shots_from": ["data/例题.jsonl"]}}
    project.path("config/small.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")

    ran = finished_jobs(project.snakemake("evaluate"))

    assert ran == dict.fromkeys(OWN, 1) | {"answer_questions": 2, "measure_held_out": 2}
    found = json.loads(project.path("results/evaluation/comparison.json").read_text(encoding="utf-8"))
    assert (found["questions"]["kept"], found["questions"]["failed"]) == (5, {"no_answer": 1})
    assert found["not_in_decontamination"] == ["data/考题/elementary_commonsense.csv"]
    pairs = sum(row["held_out"] for row in read_rows(project.path("results/seed/pairs.parquet")))
    for name in ("base", "chat"):
        measures = found["models"][name]
        assert measures["held_out"]["pairs"] == pairs > 1
        assert measures["questions"]["questions"] == 5 and measures["questions"]["shots"] == 1
        [shots, *_] = (row["shots"] for row in read_rows(project.path(f"results/evaluation/{name}/answers.parquet")))
        assert shots == 1
    # What training states of its held-out pairs is the same measure.
    trained = json.loads(project.path("results/models/chat/model.json").read_text(encoding="utf-8"))["trained"]["held_out"]
    for name, side in (("base", "before"), ("chat", "after")):
        assert found["models"][name]["held_out"]["nll"] == pytest.approx(trained[side]["nll"], rel=2e-3)
    page = project.path("results/evaluation/index.html").read_text(encoding="utf-8")
    assert "was not cleaned of" in page and "chat − base" in page

    # No target but its own leads to a rule of it, whatever has to be made; and what it wrote may change without a rerun.
    rules = jobs_of(project.snakemake("all", "corpus", "models", "judge", "--forceall", "--dry-run"))
    assert {"train_chat_model", "export", "report", "score", "calibrate_judge"} <= rules.keys()
    assert not OWN & rules.keys()
    for path in project.path("results/evaluation").rglob("*.*"):
        path.write_bytes(b"other")
    assert jobs_of(project.snakemake("all", "corpus", "models", "judge", "--dry-run")) == {}
