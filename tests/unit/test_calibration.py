"""Cuts: numbers, percentiles of a pinned sample, of each source, of a reference; identities that must not be mixed."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kun.books.digests import digest
from kun.books.tables import TableWriter
from kun.corpus.plan import Shard, plan_as_json
from kun.selection.calibration import cuts_of_tables, least_of_best
from kun.selection.columns import sampled_shards
from kun.selection.cut import Band, Cuts, ForeignCut, one_identity
from kun.settings.perplexity import Cut
from kun.settings.roles import ScoreCut

SCHEMA = pa.schema([("id", pa.string()), ("perplexity", pa.float32()), ("perplexity_tokens", pa.int32())])


def write(path: Path, values: list[float | None], identity: str = "字符:甲", ids: list[str] | None = None, tokens: int = 9) -> Path:
    writer = TableWriter(path, SCHEMA, {"perplexity": identity})
    for number, value in enumerate(values):
        writer.add({"id": ids[number] if ids else digest(str(path), str(number)), "perplexity": value, "perplexity_tokens": tokens})
    writer.close()
    return path


class Results:
    """A results folder with signals of shards, on which the program is run as the rule runs it."""

    column = "perplexity"

    def __init__(self, root: Path, folder: Path):
        self.root, self.folder, self.shards = root, folder, []

    def add(self, shard: str, values: list[float | None], identity: str = "字符:甲") -> None:
        self.shards += [shard] if shard not in self.shards else []
        write(self.folder / "signals" / f"{shard}.parquet", values, identity)

    def calibrate(self, *options: str, check: bool = True, **cut) -> dict:
        plan = [Shard(*shard.split("/"), "jsonl", "utf-8", ()) for shard in self.shards]
        (self.folder / "plan.json").write_text(plan_as_json(plan), encoding="utf-8")
        output = self.folder / f"calibration/{self.column}.json"
        command = [
            sys.executable,
            "workflow_scripts/calibrate.py",
            "--column",
            self.column,
            "--cut",
            json.dumps({"doubt": 0} | cut),
        ]
        command += ["--plan", str(self.folder / "plan.json"), "--results", str(self.folder), "--output", str(output), *options]
        self.done = subprocess.run(command, cwd=self.root, capture_output=True, text=True)
        assert not check or self.done.returncode == 0, self.done.stderr
        return json.loads(output.read_text(encoding="utf-8")) if self.done.returncode == 0 else {}


@pytest.fixture
def results(root, tmp_path):
    return Results(root, tmp_path)


def high(made: dict, source: str = "*") -> float:
    return made["cuts"][source]["high"]


# ------------------------------------------------------------------------------------------------------------------- numbers


def test_a_number_is_the_cut_and_looks_at_nothing(results):
    made = results.calibrate(maximum=80.5, minimum=3)
    assert (made["cuts"]["*"]["low"], made["cuts"]["*"]["high"], made["identity"], made["shards"]) == (3, 80.5, None, [])


def test_a_number_may_say_what_it_is_a_number_of(results, tmp_path):
    results.calibrate(maximum=80, identity="字符:乙")
    cuts = Cuts.read(tmp_path / "calibration/perplexity.json")
    with pytest.raises(ForeignCut, match=r"字符:乙.*字符:甲"):
        cuts.for_table(write(tmp_path / "t.parquet", [1.0]), "源")
    assert cuts.for_table(write(tmp_path / "u.parquet", [1.0], "字符:乙"), "源") == Band(None, 80)


# --------------------------------------------------------------------------------------------------------------- percentiles


def test_a_percentile_is_numpys_of_the_pooled_values(results):
    values = [float(number) for number in np.random.default_rng(0).lognormal(4, 1, 3000)]
    results.add("甲源/一", values[:1000])
    results.add("乙源/二", values[1000:])
    made = results.calibrate(percentile=80, low_percentile=2)
    assert high(made) == pytest.approx(np.percentile(np.float32(values), 80), abs=1e-3)
    assert made["cuts"]["*"]["low"] == pytest.approx(np.percentile(np.float32(values), 2), abs=1e-3)
    assert made["cuts"]["*"]["records"] == 3000 and made["identity"] == "字符:甲"


def test_a_percentile_is_of_what_is_held_against_the_cut(root, tmp_path):
    """By numbers alone the upper half would be the short texts; less what their length excuses, it is the long ones."""
    tables = {
        "源/短": write(tmp_path / "a.parquet", [120.0] * 50, tokens=9),
        "源/长": write(tmp_path / "b.parquet", [100.0] * 50, tokens=10_000),
    }
    cut = cuts_of_tables(tables, "perplexity", Cut(percentile=100, low_percentile=0, doubt=3))["cuts"]["*"]
    assert cut["high"] == pytest.approx(100 / math.exp(0.03), rel=1e-5)
    assert cut["low"] == pytest.approx(100 * math.exp(0.03), rel=1e-5)
    assert cuts_of_tables(tables, "perplexity", Cut(percentile=100, doubt=0))["cuts"]["*"]["high"] == 120.0


def test_values_that_are_none_or_no_number_do_not_count(results):
    results.add("源/一", [None, float("nan"), float("inf"), 1.0, 2.0, 3.0])
    made = results.calibrate(percentile=50)
    assert (made["cuts"]["*"]["records"], high(made)) == (3, 2.0)


def test_no_value_at_all_is_an_error_that_says_so(results):
    results.add("源/一", [None])
    results.calibrate(percentile=50, check=False)
    assert results.done.returncode != 0 and "no document has a perplexity" in results.done.stderr


def test_by_source_each_has_its_own_cut(results):
    results.add("好源/一", [float(number) for number in range(1, 101)])
    results.add("坏源/一", [float(number) * 100 for number in range(1, 101)])
    made = results.calibrate(percentile=50, percentile_of="source")
    assert (high(made, "好源"), high(made, "坏源")) == (50.5, 5050.0)
    cuts = Cuts.read(results.folder / "calibration/perplexity.json")
    assert cuts.of("坏源") == Band(None, 5050.0)
    with pytest.raises(ForeignCut, match="新源"):
        cuts.of("新源")


def test_a_reference_decides_whatever_the_corpus_holds(results, tmp_path):
    results.add("源/一", [9999.0] * 50)
    reference = write(tmp_path / "reference.parquet", [float(number) for number in range(1, 102)])
    made = results.calibrate(f"--reference={reference}", percentile=90, percentile_of=["好文.txt"])
    assert high(made) == 91.0 and made["shards"] == []


@settings(max_examples=60, deadline=None, database=None)
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=60), st.integers(1, 5), st.integers(1, 8), st.randoms(use_true_random=False)
)
def test_a_sample_depends_on_the_documents_and_on_nothing_else(tmp_path_factory, numbers, shards, size, random):
    """Into however many shards and in whatever order the same texts come, copies among them, the cut is one."""

    def cut(order: list[int], parts: int) -> dict:
        folder = tmp_path_factory.mktemp("sample")
        tables = {
            f"源/{part}": write(folder / f"{part}.parquet", [n + 1.0 for n in order[part::parts]], ids=[digest(str(n)) for n in order[part::parts]])
            for part in range(parts)
        }  # fmt: skip
        return cuts_of_tables(tables, "perplexity", Cut.model_construct(percentile=60, sample_documents=size, doubt=0.0))["cuts"]

    shuffled = random.sample(numbers, len(numbers))
    expected = sorted(set(numbers), key=lambda n: digest(str(n)))[:size]
    first = cut(numbers, 1)
    assert first == cut(shuffled, shards)
    assert first["*"]["records"] == len(expected)
    assert first["*"]["high"] == pytest.approx(np.percentile([n + 1 for n in expected], 60), abs=1e-5)


# ---------------------------------------------------------------------------------------------------------------------- pins


def test_a_shard_that_comes_later_moves_nothing_until_recalibrated(results):
    results.add("源/一", [1.0, 2.0, 3.0])
    before = results.calibrate(percentile=50)
    results.add("源/二", [100.0] * 10)
    assert results.calibrate(percentile=50) == before
    assert results.calibrate("--again", percentile=50)["cuts"]["*"]["high"] == 100.0
    assert "perplexity up to 2 → up to 100" in results.done.stderr
    assert results.calibrate(percentile=50)["cuts"]["*"]["high"] == 100.0


def test_the_cut_outlives_the_tables_it_was_made_from(results):
    results.add("源/一", [1.0, 2.0, 3.0])
    before = results.calibrate(percentile=50)
    results.shards.clear()
    results.add("源/二", [100.0] * 10)
    (results.folder / "signals/源/一.parquet").unlink()
    assert results.calibrate(percentile=50)["cuts"] == before["cuts"]


def test_another_percentile_is_taken_of_the_same_sample(results):
    results.add("源/一", [1.0, 2.0, 3.0])
    results.calibrate(percentile=50)
    results.add("源/二", [100.0] * 10)
    made = results.calibrate(percentile=100)
    assert (high(made), made["cuts"]["*"]["records"]) == (3.0, 3)


def test_another_model_means_another_cut_and_the_old_one_is_remembered(results):
    results.add("源/一", [1.0, 2.0, 3.0])
    old = results.calibrate(percentile=50)
    results.add("源/一", [10.0, 20.0, 30.0], identity="字符:乙")
    new = results.calibrate(percentile=50)
    assert (high(new), new["identity"]) == (20.0, "字符:乙")
    results.add("源/一", [1.0, 2.0, 4.0], identity="字符:甲")
    assert results.calibrate(percentile=50)["cuts"] == old["cuts"]


def test_by_source_a_new_source_gets_a_cut_and_moves_none(results):
    results.add("甲源/一", [1.0, 2.0, 3.0])
    before = results.calibrate(percentile=50, percentile_of="source")
    results.add("甲源/二", [100.0] * 10)
    results.add("乙源/一", [7.0] * 3)
    made = results.calibrate(percentile=50, percentile_of="source")
    assert (high(made, "甲源"), high(made, "乙源")) == (high(before, "甲源"), 7.0)


@pytest.mark.parametrize(
    ("pinned", "by_source", "expected"),
    [
        ([], False, ["a/1", "a/2", "b/1"]),
        (["a/1"], False, ["a/1"]),
        (["a/1"], True, ["a/1", "b/1"]),
        (["b/1", "a/2"], True, ["a/2", "b/1"]),
        (["gone/1"], False, ["a/1", "a/2", "b/1"]),
        (["gone/1", "a/2"], False, ["a/2"]),
    ],
)
def test_the_sample_is_drawn_from_the_pinned_shards_that_are_left(pinned, by_source, expected):
    assert sampled_shards(pinned, ["a/1", "a/2", "b/1"], by_source) == expected


def test_a_run_that_ends_early_leaves_no_half_pin(results):
    results.add("源/一", [1.0])
    results.calibrate(percentile=50)
    assert not list(results.folder.rglob("*.partial"))


# ---------------------------------------------------------------------------------------------------------------- identities


def test_values_under_two_identities_are_never_pooled(results):
    results.add("源/一", [1.0], identity="字符:甲")
    results.add("源/二", [1.0], identity="字符:乙")
    results.calibrate(percentile=50, check=False)
    assert results.done.returncode != 0
    assert all(name in results.done.stderr for name in ("字符:甲", "字符:乙", "一.parquet", "二.parquet"))


def test_a_cut_of_values_under_another_identity_is_refused_and_names_both(results, tmp_path):
    results.add("源/一", [1.0], identity="字符:旧")
    results.calibrate(percentile=50)
    cuts = Cuts.read(tmp_path / "calibration/perplexity.json")
    assert cuts.for_table(write(tmp_path / "old.parquet", [1.0], "字符:旧"), "源") == Band(None, 1.0)
    with pytest.raises(ForeignCut, match=r"字符:旧.*字符:新.*recalibrate"):
        cuts.for_table(write(tmp_path / "new.parquet", [1.0], "字符:新"), "源")


def test_tables_of_one_identity_have_it(tmp_path):
    tables = [write(tmp_path / f"{name}.parquet", [1.0]) for name in "甲乙"]
    assert one_identity(tables, "perplexity") == "字符:甲" and one_identity([], "perplexity") is None


# -------------------------------------------------------------------------------------------------------------- budgets

SCORED = pa.schema([("id", pa.string()), ("score", pa.float64())])


class Scored(Results):
    """The same of scores."""

    column = "score"

    def add(self, shard: str, values: list[float | None], identity: str = "判官") -> None:
        self.shards += [shard] if shard not in self.shards else []
        writer = TableWriter(self.folder / "scored" / f"{shard}.parquet", SCORED, {"score": identity})
        for number, value in enumerate(values):
            writer.add({"id": digest(shard, str(number)), "score": value})
        writer.close()


@pytest.fixture
def scored(root, tmp_path):
    return Scored(root, tmp_path)


def least(made: dict) -> float | None:
    return made["cuts"]["*"]["low"]


@pytest.mark.parametrize(("budget", "threshold"), [(1, 0.99), (10, 0.9), (99, 0.01), (100, None), (101, None), (10**9, None)])
def test_a_budget_keeps_so_many_of_all_scored_instructions(scored, budget, threshold):
    scored.add("源/一", [number / 100 for number in range(0, 100, 2)])
    scored.add("源/二", [number / 100 for number in range(1, 100, 2)])
    assert least(scored.calibrate(budget=budget)) == threshold


def test_equal_scores_stay_together_so_it_may_be_more_than_the_budget(scored):
    scored.add("源/一", [0.2, 0.7, 0.7, 0.7, 0.9])
    assert least(scored.calibrate(budget=2)) == 0.7
    assert least(scored.calibrate(budget=1)) == 0.9


def test_a_budget_is_pinned_until_recalibrated(scored):
    scored.add("源/一", [number / 100 for number in range(100)])
    before = scored.calibrate(budget=10)
    scored.add("源/二", [1.0] * 50)
    assert scored.calibrate(budget=10) == before
    assert least(scored.calibrate("--again", budget=10)) == 1.0


def test_what_has_no_score_is_not_counted(scored):
    scored.add("源/一", [None] * 50 + [float("nan")] + [number / 10 for number in range(10)])
    assert least(scored.calibrate(budget=5)) == 0.5


def test_of_a_sample_the_same_share_is_taken(scored):
    """1,000 scores, of which the sample holds 100: a budget of 200 is a fifth of them."""
    scored.add("源/一", [number / 1000 for number in range(1000)])
    tables = {"源/一": scored.folder / "scored/源/一.parquet"}
    found = cuts_of_tables(tables, "score", ScoreCut(budget=200, sample_documents=100))["cuts"]["*"]
    assert found["records"] == 100 and found["low"] == pytest.approx(0.8, abs=0.12)
    chosen = sorted(sorted(range(1000), key=lambda number: digest("源/一", str(number)))[:100])
    assert found["low"] == chosen[-20] / 1000


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(1, 50))
def test_at_least_the_budget_stays_and_no_more_than_the_equal_ones_beyond_it(values: list[int], budget: int):
    values.sort()
    low = least_of_best(values, budget)
    kept = [value for value in values if low is None or value >= low]
    assert len(kept) >= min(budget, len(values))
    assert sum(value > min(kept) for value in kept) < budget or len(kept) == len(values)


def test_a_threshold_in_units_below_zero_is_a_number_too(scored):
    scored.add("源/一", [-0.5, 0.5])
    assert least(scored.calibrate(minimum=-0.25)) == -0.25
