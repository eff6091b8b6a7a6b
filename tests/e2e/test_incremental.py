"""What a change costs: which jobs run again, and how many questions a language model is asked. Counted in real runs."""

import json
from pathlib import Path

from e2e.conftest import Project, finished_jobs, jobs_of
from kun.books.tables import read_rows
from kun.corpus.locators import read_record

AGGREGATES = {
    "gather_signals": 1,
    "find_duplicates": 1,
    "know_duplicates": 1,
    "survey_perplexity": 1,
    "assemble": 1,
    "export": 1,
    "report": 1,
    "all": 1,
}
CHAIN = ("ingest", "measure", "select_primary", "label", "score", "select_instructions", "polish", "check_answers")


def test_one_changed_line_reruns_its_shard_and_asks_about_nothing_else(finished: Project, tmp_path: Path) -> None:
    project = finished.copied_to(tmp_path / "kun")
    shard = project.path("data/SkyPile-150B/data/2020-40_zh_head_0000.jsonl")
    lines = shard.read_text(encoding="utf-8").splitlines()
    lines[4] = json.dumps(
        {"text": "这家餐馆的招牌菜是糖醋排骨，外酥里嫩，酸甜适中，老板也很热情，就是周末人多要等位，建议早一点去。"},
        ensure_ascii=False,
    )
    shard.write_text("\n".join(lines) + "\n", encoding="utf-8")
    others = {path: path.stat().st_mtime_ns for path in project.path("results").rglob("*.parquet") if "head_0000" not in path.name}
    before = project.answers()

    ran = finished_jobs(project.snakemake())

    assert ran == dict.fromkeys(CHAIN, 1) | AGGREGATES
    untouched = [path for path, time in others.items() if path.stat().st_mtime_ns == time]
    touched = {path.relative_to(project.path("results")).parts[0] for path in others} - {
        path.relative_to(project.path("results")).parts[0] for path in untouched
    }
    assert touched <= {"duplicates", "dataset"}
    assert 1 <= project.answers() - before <= 3, "the new line's instruction, its score and its answer"
    [primary] = (path for path in project.path("results/primary/skypile").glob("*head_0000*.parquet") if "dropped" not in path.name)
    assert any("糖醋排骨" in row["text"] for row in read_rows(primary))


def test_a_line_added_to_one_shard_that_copies_another_shards_text_changes_no_other_shard(
    finished: Project, tmp_path: Path
) -> None:
    project = finished.copied_to(tmp_path / "kun")
    first, second = (project.path(f"data/SkyPile-150B/data/2020-40_zh_head_000{number}.jsonl") for number in (0, 1))
    with second.open("ab") as stream:
        stream.write(first.read_bytes().splitlines(keepends=True)[0])
    before = project.answers()
    ran = finished_jobs(project.snakemake())
    assert ran["select_primary"] == 1 and ran["find_duplicates"] == 1
    assert project.answers() == before
    assert project.dataset()["alpaca.json"] == finished.dataset()["alpaca.json"]


def test_an_added_and_a_removed_file_move_no_pinned_cut(finished: Project, tmp_path: Path) -> None:
    project = finished.copied_to(tmp_path / "kun")
    added = project.path("data/SkyPile-150B/data/2021-43_zh_head_0009.jsonl")
    added.write_text(
        json.dumps(
            {"text": "酒店离地铁站很近，房间安静，床也舒服，早餐品种不多，但味道不错，前台办理入住很快。"}, ensure_ascii=False
        )
        + "\n"
    )
    ran = finished_jobs(project.snakemake("corpus"))
    per_shard = {"ingest": 1, "measure": 1, "select_primary": 1}
    assert ran == per_shard | {
        "gather_signals": 1,
        "find_duplicates": 1,
        "know_duplicates": 1,
        "survey_perplexity": 1,
        "write_plan": 1,
        "corpus": 1,
    }
    added.unlink()
    ran = finished_jobs(project.snakemake("corpus"))
    assert set(ran) == {"gather_signals", "find_duplicates", "know_duplicates", "survey_perplexity", "write_plan", "corpus"}


def test_a_record_that_moved_in_its_file_has_its_new_locator(finished: Project, tmp_path: Path) -> None:
    project = finished.copied_to(tmp_path / "kun")
    array = project.path("data/WuDaoCorpus2.0_base_200G/part-2021000001.json")
    array.write_text(json.dumps([5, *json.loads(array.read_text())], ensure_ascii=False))
    before = project.answers()
    project.snakemake()
    assert project.answers() == before
    for name in ("documents", "primary", "pairs"):
        rows = list(read_rows(project.path("results", name, "wudao/part-2021000001.parquet")))
        then = list(read_rows(finished.path("results", name, "wudao/part-2021000001.parquet")))
        assert rows and [row["id"] for row in rows] == [row["id"] for row in then]
        for row, before_it_moved in zip(rows, then, strict=True):
            assert row["locator"] != before_it_moved["locator"]
            assert read_record(array.parent, row["locator"], "wudao")["title"].strip() == row["title"]


def test_an_owner_that_disappears_hands_its_text_to_the_copy_in_the_same_run(finished: Project, tmp_path: Path) -> None:
    project = finished.copied_to(tmp_path / "kun")
    first, second = (project.path(f"data/SkyPile-150B/data/2020-40_zh_head_000{number}.jsonl") for number in (0, 1))
    [primary] = (path for path in project.path("results/primary/skypile").glob("*head_0000*.parquet") if "dropped" not in path.name)
    kept = {row["text"] for row in read_rows(primary)}
    lines = first.read_bytes().splitlines(keepends=True)
    owner = next(line for line in lines if json.loads(line)["text"] in kept)
    with second.open("ab") as stream:
        stream.write(owner)
    project.snakemake()
    first.write_bytes(b"".join(line for line in lines if line != owner))
    ran = finished_jobs(project.snakemake())
    assert ran["ingest"] == 1 and ran["select_primary"] == 2, (
        "the other shard's duplicates changed, so it is selected again as well"
    )


def test_a_moved_threshold_asks_no_model_and_measures_nothing(finished: Project, tmp_path: Path) -> None:
    project = finished.copied_to(tmp_path / "kun")
    project.edit("config/small.yaml", "threshold: null", "threshold: 0.2")
    before = project.answers()
    ran = finished_jobs(project.snakemake())
    assert not {"ingest", "measure", "label", "score", "calibrate_judge", "train_label_model", "train_chat_model"} & set(ran)
    assert ran["select_instructions"] == 4 and ran["measure_judge_at_cut"] == 1
    assert project.answers() == before, "fewer instructions are answered, and those were answered before"


def test_a_changed_parser_reads_the_answers_anew_and_asks_no_model(finished: Project, tmp_path: Path) -> None:
    project = finished.copied_to(tmp_path / "kun")
    project.edit("workflow_scripts/kun/roles/label.py", 'split(r"\\n\\s*\\n", ', 'split(r"\\n\\s*\\n|。", ')
    # Where the model's folder is empty, a job that reaches for the model fails.
    weights = project.path("results/models/label/weights")
    for file in weights.iterdir():
        file.write_bytes(b"")
    before = project.answers()
    done = project.snakemake("--until", "label", "--rerun-triggers", "params", "code")
    ran = finished_jobs(done)
    assert ran["label"] == 4 and "train_label_model" not in ran
    assert project.answers() == before
    rows = [
        row for path in project.path("results/labelled").rglob("*.parquet") if "dropped" not in path.name for row in read_rows(path)
    ]
    assert rows and not any("。" in candidate for row in rows for candidate in row["candidates"]), "the new parser was at work"


def test_what_other_changes_would_run(finished: Project, tmp_path: Path) -> None:
    project = finished.copied_to(tmp_path / "kun")

    def after(name: str, old: str, new: str) -> dict[str, int]:
        project.edit(name, old, new)
        jobs = jobs_of(project.snakemake("--dry-run"))
        project.edit(name, new, old)
        return jobs

    per_shard = {"check_answers": 4, "assemble": 1, "export": 1, "report": 1, "all": 1}
    assert after("workflow_scripts/kun/selection/answers.py", '"max_loop": (10,', '"max_loop": (20,') == per_shard
    assert after("workflow_scripts/kun/selection/answers.py", "# What other", "# What some other") == {}
    assert after("workflow_scripts/kun/report/page.html.jinja", "<h1>", "<h1 >") == {
        "survey_perplexity": 1,
        "survey_seed": 1,
        "report": 1,
        "all": 1,
    }
    scored = after("config/prompts/score.jinja", "请判断", "请你判断")
    assert (scored["score"], scored["calibrate_judge"]) == (4, 1) and not {"label", "train_chat_model", "ingest"} & set(scored)
    chat = after("config/small.yaml", "chat:\n    epochs: 1", "chat:\n    epochs: 2")
    assert chat["train_chat_model"] == 1 and "train_label_model" not in chat and "label" not in chat


def test_a_pinned_cut_stays_until_recalibrate(finished: Project, tmp_path: Path) -> None:
    """Its file removed, its shard removed with everything made of it, other texts added: the cut is the one it was."""
    project = finished.copied_to(tmp_path / "kun")
    cut = project.path("results/calibration/perplexity.json")
    before = json.loads(cut.read_text())
    cut.unlink()
    project.path("data/SkyPile-150B/data/2020-40_zh_head_0000.jsonl").unlink()
    for left in project.path("results").rglob("*2020-40_zh_head_0000*"):
        left.unlink() if left.is_file() else None
    texts = [{"text": f"第{number}间房的客人说酒店离地铁站很近，房间安静，床也舒服，早餐品种不多。"} for number in range(40)]
    added = project.path("data/SkyPile-150B/data/2021-43_zh_head_0009.jsonl")
    added.write_text("".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts))
    ran = finished_jobs(project.snakemake("corpus"))
    assert ran["calibrate"] == 1 and ran["measure"] == 1 and "train_kenlm" not in ran
    assert json.loads(cut.read_text())["cuts"] == before["cuts"]
    again = project.snakemake("recalibrate")
    after = json.loads(cut.read_text())
    assert after["cuts"]["*"]["records"] > before["cuts"]["*"]["records"] and after["cuts"] != before["cuts"]
    assert f"up to {before['cuts']['*']['high']:g} → up to {after['cuts']['*']['high']:g}" in again.stdout + again.stderr, (
        "the old number and the new one are told"
    )
    ran = finished_jobs(project.snakemake("corpus"))
    assert ran["select_primary"] >= 1 and not {"ingest", "measure", "train_kenlm"} & set(ran)
    assert json.loads(cut.read_text())["cuts"] == after["cuts"]
    assert set(finished_jobs(project.snakemake("corpus"))) <= {"corpus"}


def test_owners_are_named_by_where_they_are_now_even_after_a_run_that_ended_early(finished: Project, tmp_path: Path) -> None:
    project = finished.copied_to(tmp_path / "kun")
    first, second = (project.path(f"data/SkyPile-150B/data/2020-40_zh_head_000{number}.jsonl") for number in (0, 1))
    [primary] = (path for path in project.path("results/primary/skypile").glob("*head_0000*.parquet") if "dropped" not in path.name)
    text = next(iter(read_rows(primary)))["text"]
    line = next(line for line in first.read_bytes().splitlines(keepends=True) if json.loads(line)["text"] == text)
    with second.open("ab") as stream:
        stream.write(line)
    project.snakemake("corpus")
    first.write_bytes(b"\n" + first.read_bytes())
    project.snakemake("corpus", "--until", "measure")
    project.snakemake("corpus")
    [dropped] = project.path("results/primary/skypile").glob("*head_0001*.dropped.parquet")
    details = [row["detail"] for row in read_rows(dropped) if row["reason"] == "duplicate"]
    owners = [detail.removeprefix("of skypile:") for detail in details if detail.startswith("of skypile:")]
    assert text in [read_record(project.path("data/SkyPile-150B"), owner, "skypile")["text"] for owner in owners]
