"""The judge's figures against values computed by hand, cuts found from labels, and the programs on a real model."""

import json
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kun.books.ledger import Ledger
from kun.books.stage import Stage
from kun.books.tables import metadata_of, read_rows
from kun.report.judge import RESAMPLES, Judged, agreement, at_cut, measures, reliability
from kun.report.judge_picture import picture
from kun.roles.labels import JUDGED
from kun.selection.precision import Unreachable, cut_of_labels, least_threshold

# Six records. Of the nine pairs of a good and a bad one, five have the good one above and one is a tie: AUC 5.5 / 9.
SCORES = [0.9, 0.8, 0.6, 0.6, 0.3, 0.1]
LABELS = [True, False, True, False, True, False]


def judged(scores=SCORES, good=LABELS, kinds=None, outside=None, low=0.0, high=1.0) -> Judged:
    kinds = kinds or [None] * len(scores)
    return Judged(np.array(scores, dtype=float), np.array(good), kinds, np.array(outside or [0.0] * len(scores)), low, high)


# ---------------------------------------------------------------------------------------------------------------- figures


def test_the_ranking_is_measured_as_by_hand():
    found = measures(judged(outside=[0.1, 0.2, 0.3, 0.5, 0.7, 0.9]))
    assert found["roc_auc"] == pytest.approx(5.5 / 9, abs=1e-6)
    # Steps of recall by a third at thresholds 0.9, 0.6 and 0.3, with precisions 1, 2/4 and 3/5.
    assert found["average_precision"] == pytest.approx((1 + 2 / 4 + 3 / 5) / 3, abs=1e-6)
    assert found["roc"] == [[0, 0], [0, 0.333333], [0.333333, 0.333333], [0.666667, 0.666667], [0.666667, 1], [1, 1]]
    assert [(row["threshold"], row["kept"], row["precision"], row["recall"]) for row in found["thresholds"]] == [
        (0.1, 6, 0.5, 1.0),
        (0.3, 5, 0.6, 1.0),
        (0.6, 4, 0.5, 0.666667),
        (0.8, 2, 0.5, 0.333333),
        (0.9, 1, 1.0, 0.333333),
    ]
    assert (found["n"], found["good"], found["bad"], found["failed"]) == (6, 3, 3, 0)
    assert found["outside"] == {"median": 0.4, "max": 0.9}


def test_a_judge_of_equal_scores_knows_nothing():
    found = measures(judged([0.7] * 6))
    assert (found["roc_auc"], found["average_precision"]) == (0.5, 0.5) and len(found["thresholds"]) == 1


@settings(max_examples=60, deadline=None, database=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_the_area_is_the_share_of_pairs_in_the_right_order(records: list[tuple[int, bool]]):
    good, bad = ([score for score, label in records if label == wanted] for wanted in (True, False))
    if good and bad:
        found = measures(judged([score / 5 for score, _ in records], [label for _, label in records]))
        right = sum((one > other) + (one == other) / 2 for one, other in product(good, bad))
        assert found["roc_auc"] == pytest.approx(right / (len(good) * len(bad)), abs=1e-6)
        for row in found["thresholds"]:
            kept = [label for score, label in records if score / 5 >= row["threshold"] - 1e-6]
            assert (row["kept"], row["precision"]) == (len(kept), pytest.approx(sum(kept) / len(kept), abs=1e-6))


def test_the_reliability_curve_is_by_tenths_of_the_way_between_the_verdicts():
    bins, error = reliability(judged([0.05, 0.15, 0.15, 1.0], [False, True, False, True]))
    assert [(part["from"], part["n"], part["mean"], part["good"]) for part in bins] == [
        (0.0, 1, 0.05, 0.0),
        (0.1, 2, 0.15, 0.5),
        (0.9, 1, 1.0, 1.0),
    ]
    assert error == pytest.approx((0.05 + 2 * 0.35 + 0) / 4, abs=1e-6)
    assert reliability(judged([1.2, 1.6, 1.6, 5.0], [False, True, False, True], low=1, high=5)) == (bins, error)
    assert reliability(judged([-0.9, -0.7, -0.7, 1.0], [False, True, False, True], low=-1, high=1))[1] == error


def test_a_cut_is_measured_as_by_hand():
    kinds = ["短", "private", "短", "vague", None, "vague"]
    found = at_cut(judged(kinds=kinds), 0.6)
    assert (found["kept"], found["precision"], found["recall"], found["f1"], found["accuracy"]) == (
        4,
        0.5,
        0.666667,
        pytest.approx(2 * 2 / (4 + 3), abs=1e-6),
        0.5,
    )
    assert [(row["label"], row["kind"], row["n"], row["rejected"], row["share"]) for row in found["kinds"]] == [
        ("bad", "private", 1, 0, 0.0),
        ("bad", "vague", 2, 1, 0.5),
        ("good", "", 1, 1, 1.0),
        ("good", "短", 2, 0, 0.0),
    ]


def test_a_cut_that_keeps_nothing_or_all_has_shares_of_what_there_is():
    nothing = at_cut(judged(), 0.95)
    assert (nothing["kept"], nothing["precision"], nothing["recall"], nothing["f1"]) == (0, None, 0.0, 0.0)
    everything = at_cut(judged(), None)
    assert (everything["threshold"], everything["kept"], everything["precision"], everything["recall"]) == (None, 6, 0.5, 1.0)


def test_agreement_is_krippendorffs_alpha_for_two_who_label_all():
    """Nominal, two coders, no gaps: 1 − (N − 1)·disagreements·2 / (n₀·n₁·2), with n₀ and n₁ the labels given in all, N = n₀ + n₁."""
    people = np.array([True, True, False, False, True, False])
    machine = np.array([True, False, False, False, True, True])
    alpha, (low, high) = agreement(people, machine)
    assert alpha == pytest.approx(1 - (12 - 1) * 2 / (6 * 6), abs=1e-6)
    assert -1 <= low < alpha < high <= 1
    assert agreement(people, machine) == (alpha, [low, high]), "the same chance every time"
    assert agreement(people, people) == (1.0, [1.0, 1.0])


def test_where_all_say_one_thing_there_is_no_agreement_to_speak_of():
    assert agreement(np.array([True, True]), np.array([True, True])) == (None, None)
    alpha, interval = agreement(np.array([True, False]), np.array([True, True]))  # half of the resamples have no alpha
    assert alpha == 0 and interval[0] <= 0 <= interval[1]


def test_more_records_make_the_interval_narrower():
    people, machine = np.array([True, True, False, False, True, False]), np.array([True, False, False, False, True, True])
    widths = [high - low for _, (low, high) in (agreement(np.tile(people, times), np.tile(machine, times)) for times in (5, 50))]
    assert RESAMPLES >= 1000 and widths[1] < widths[0] / 2


# ------------------------------------------------------------------------------------------------------- cuts from labels


@pytest.mark.parametrize(
    ("precision", "threshold", "reached", "kept"),
    [(0.5, 0.1, 0.5, 6), (0.51, 0.3, 0.6, 5), (0.6, 0.3, 0.6, 5), (0.61, 0.9, 1.0, 1), (1.0, 0.9, 1.0, 1)],
)
def test_the_least_threshold_with_the_precision_is_taken(precision, threshold, reached, kept):
    assert least_threshold(SCORES, LABELS, precision) == (threshold, pytest.approx(reached), kept)


def test_equal_scores_are_kept_or_dropped_together():
    """The good one at 0.6 cannot be had without the bad one beside it."""
    assert least_threshold([0.6, 0.6, 0.9], [True, False, True], 0.6) == (0.6, pytest.approx(2 / 3), 3)
    assert least_threshold([0.6, 0.6, 0.9], [True, False, True], 0.7) == (0.9, 1.0, 1)


def test_a_precision_out_of_reach_says_how_far_it_goes():
    with pytest.raises(
        Unreachable, match=r"no threshold reaches 0\.9 on the 4 labelled.* is 0\.667, at threshold 0\.5, which keeps 3"
    ):
        least_threshold([0.9, 0.7, 0.5, 0.1], [False, True, True, False], 0.9)


def scores_table(path: Path, scores=SCORES, good=LABELS) -> Path:
    with Stage("calibrate_judge", path, JUDGED, {"score": "判官"}) as stage:
        for number, (score, label) in enumerate(zip(scores, good, strict=True)):
            stage.take()
            row = {"id": str(number), "instruction": "写诗", "text": None, "good": label, "kind": None, "locator": f"a:{number}"}
            stage.keep(row | {"score": score, "score_outside": 0.5, "point_model": "模"})
    return path


def test_a_cut_from_labels_is_one_for_scores_of_that_judge(tmp_path):
    made = cut_of_labels(scores_table(tmp_path / "scores.parquet"), 0.6)
    assert made["identity"] == "判官"
    assert made["cuts"]["*"] | {"percentiles": None} == {
        "low": 0.3,
        "high": None,
        "doubt": 0.0,
        "records": None,
        "percentiles": None,
        "labelled": 6,
        "kept": 5,
        "precision": 0.6,
    }


# ---------------------------------------------------------------------------------------------------------------- pictures


def test_the_picture_shows_curves_within_its_frame_and_the_cut_on_the_curve():
    one = judged(kinds=["<b>", "private", None, "vague", None, "vague"])
    drawn = picture(measures(one), at_cut(one, 0.6))
    points = [tuple(map(float, point.split(","))) for point in (drawn["roc"] + " " + drawn["reliability"]).split()]
    assert all(0 < x < drawn["size"] and 0 < y < drawn["size"] for x, y in points)
    assert drawn["cut"] in [tuple(map(float, point.split(","))) for point in drawn["roc"].split()]
    assert points[0] == drawn["start"]
    assert [kind["width"] for kind in drawn["kinds"]] == [0.0, 50.0, 50.0, 0.0]


def test_kinds_and_figures_are_text_in_the_page(root):
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    one = judged(kinds=["<script>", "private", None, "vague", None, "vague"])
    templates = Environment(
        loader=FileSystemLoader(root / "workflow_scripts/kun/report"), undefined=StrictUndefined, autoescape=True
    )
    template = templates.from_string('{% import "judge.html.jinja" as judges %}{{ judges.shown(judge) }}')
    for low in (0.6, 0.95, None):  # a cut, one that keeps nothing, and none
        page = template.render(judge=picture(measures(one), at_cut(one, low)))
        assert page.count("<polyline") == 2 and "<script" not in page and "&lt;script&gt;" in page
    assert "Scores are not cut" in page


# ---------------------------------------------------------------------------------------------------------------- programs


def run(root: Path, program: str, *arguments, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, f"workflow_scripts/{program}.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def measured(root: Path, base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the real model was asked about the shipped set, as the rules ask it."""
    folder = tmp_path_factory.mktemp("judge")
    run(
        root, "locate_model", "--name", base_model, "--description", folder / "model.json", "--tokenizer", folder / "tokenizer.json"
    )
    files = ["--files", "config/judge/instructions.jsonl", "--target", "instruction"]
    run(root, "read_labels", *files, "--output", folder / "labelled.parquet")
    ask(root, folder)
    return folder


def ask(root: Path, folder: Path, **judging) -> None:
    run(
        root,
        "calibrate_judge",
        *("--records", folder / "labelled.parquet", "--model", folder / "model.json", "--prompt", "config/prompts/score.jinja"),
        *("--settings", json.dumps(judging), "--engine", json.dumps({"threads": 1, "device": "cpu", "dtype": "float32"})),
        *("--store", folder / "journal", "--name", "calibrate_judge", "--output", folder / "scores.parquet"),
    )


def test_the_judge_is_asked_about_every_labelled_instruction(measured):
    ledger = Ledger.read(measured / "scores.ledger.json")
    assert (ledger.came_in, ledger.kept) == (120, 120) and ledger.notes["output_tokens"] == 120
    rows = list(read_rows(measured / "scores.parquet"))
    assert all(0 <= row["score"] <= 1 and 0 <= row["score_outside"] <= 1 for row in rows)
    assert len({row["score"] for row in rows}) > 60 and sum(row["good"] for row in rows) == 60
    assert len(metadata_of(measured / "scores.parquet")["score"]) == 32


def test_asked_again_it_answers_from_the_journal(root, measured):
    before = Ledger.read(measured / "scores.ledger.json").digest
    answers = sorted((path.name, path.stat().st_size) for path in (measured / "journal").iterdir())
    (measured / "model.json").write_text((measured / "model.json").read_text().replace("MiniMind2-Small", "gone"))
    ask(root, measured)  # the model is not where it was: it is not needed
    assert Ledger.read(measured / "scores.ledger.json").digest == before
    assert sorted((path.name, path.stat().st_size) for path in (measured / "journal").iterdir()) == answers


def test_the_figures_are_of_the_table_and_the_cut_of_the_calibration(root, measured, tmp_path):
    rows = list(read_rows(measured / "scores.parquet"))
    common = ["--scores", measured / "scores.parquet", "--settings", "{}"]
    done = run(root, "measure_judge", *common, "--output", tmp_path / "judge.json")
    found = json.loads((tmp_path / "judge.json").read_text())
    good, bad = ([row["score"] for row in rows if row["good"] == label] for label in (True, False))
    right = sum((one > other) + (one == other) / 2 for one, other in product(good, bad))
    assert found["roc_auc"] == pytest.approx(right / 3600, abs=1e-6) and f"ROC-AUC {found['roc_auc']:.3f}" in done.stderr

    # A precision that some threshold reaches, as calibrate finds it, then measured at that cut.
    wanted = sorted(row["precision"] for row in found["thresholds"])[len(found["thresholds"]) // 2]
    plan = tmp_path / "plan.json"
    plan.write_text("[]")
    calibrate = ["--column", "score", "--plan", plan, "--results", tmp_path, "--labelled", measured / "scores.parquet"]
    calibrate += ["--output", tmp_path / "calibration/score.json"]
    run(root, "calibrate", *calibrate, "--cut", json.dumps({"precision": wanted - 1e-6}))
    run(root, "measure_judge", *common, "--calibration", tmp_path / "calibration/score.json", "--output", tmp_path / "cut.json")
    cut = json.loads((tmp_path / "cut.json").read_text())
    assert cut["precision"] >= wanted - 1e-6
    assert cut["kept"] == sum(row["score"] >= cut["threshold"] for row in rows)
    assert cut["threshold"] == min(row["threshold"] for row in found["thresholds"] if row["precision"] >= wanted - 1e-6)
    assert not (tmp_path / "calibration/pins").exists(), "labels say the same whenever they are asked: nothing to pin"

    done = run(root, "calibrate", *calibrate, "--cut", json.dumps({"precision": 1.0}), check=False)
    highest = max(row["precision"] for row in found["thresholds"])
    assert highest == 1.0 or (done.returncode != 0 and f"the highest precision is {highest:.3f}" in done.stderr)


def test_another_judges_cut_is_refused(root, measured, tmp_path):
    scores_table(tmp_path / "scores.parquet")
    (tmp_path / "score.json").write_text(
        json.dumps({"column": "score", "identity": "判官", "cuts": {"*": {"low": 0.5, "high": None}}}, ensure_ascii=False)
    )
    common = ["--settings", "{}", "--calibration", tmp_path / "score.json", "--output", tmp_path / "cut.json"]
    run(root, "measure_judge", "--scores", tmp_path / "scores.parquet", *common)
    done = run(root, "measure_judge", "--scores", measured / "scores.parquet", *common, check=False)
    assert done.returncode != 0 and "判官" in done.stderr


def test_damaged_labels_stop_the_program_with_their_line(root, tmp_path):
    (tmp_path / "我的.jsonl").write_text('{"instruction": "写诗", "good": true}\n{"instruction"\n', encoding="utf-8")
    options = ["--files", tmp_path / "我的.jsonl", "--target", "instruction", "--output", tmp_path / "out.parquet"]
    done = run(root, "read_labels", *options, check=False)
    assert done.returncode != 0 and "我的.jsonl:2: not readable as JSON" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("out*"))
