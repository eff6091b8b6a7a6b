"""What a run will take: intervals, samples of sources, the plan of the demo's material, and speeds that jobs measured."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from kun.books.ledger import Ledger
from kun.corpus.plan import plan_shards
from kun.planning.corpus import Share, overlap, share_of_copies
from kun.planning.estimates import NOTHING, Estimate, exactly, extrapolated, share, total, within
from kun.planning.known import known_of
from kun.planning.sampling import Sample, sample_of_source
from kun.planning.seed import Seed, seed_of
from kun.planning.speeds import BadSpeeds, Speed, as_yaml, billions_of, choose, measured, read_table
from kun.report.plan_page import as_page, as_text, hours, number
from kun.report.used import used_and_planned
from kun.settings.corpus import Source
from kun.settings.load import load

# ------------------------------------------------------------------------------------------------------------ intervals


def test_errors_of_independent_figures_add_up_as_squares_do():
    product = within(100, 2).times(within(3, 2))
    assert (
        product.likely == 300 and product.high == pytest.approx(300 * 2**2**0.5) and product.low == pytest.approx(300 / 2**2**0.5)
    )
    assert exactly(4).times(exactly(0.5)) == exactly(2)
    assert exactly(10).times(Estimate(0, 0, 0.2)) == Estimate(0, 0, 2)
    assert total([exactly(1), Estimate(1, 2, 3)]) == Estimate(2, 3, 4) and total([]) == NOTHING


def test_a_share_of_few_is_wider_than_one_of_many_and_none_says_nothing():
    few, many = share(8, 10), share(800, 1000)
    assert few.low < many.low < 0.8 < many.high < few.high
    assert share(0, 10).likely == 0 < share(0, 10).high and share(10, 10).low < share(10, 10).high == 1
    assert share(0, 0) == Estimate(0.0, 0.5, 1.0)
    assert share(80, 100, 0.25).low < share(80, 100).low


def test_what_was_read_is_counted_and_the_rest_extrapolated():
    assert extrapolated([3, 4], [10, 10], 0, lumpy=False) == exactly(7)
    even = extrapolated([5, 5, 5], [10, 10, 10], 70, lumpy=False)
    assert even == exactly(50)
    uneven = extrapolated([2, 8, 5], [10, 10, 10], 70, lumpy=False)
    assert uneven.likely == pytest.approx(50) and uneven.low < 50 < uneven.high
    assert extrapolated([2, 8, 5], [10, 10, 10], 70, lumpy=True).high > uneven.high
    assert extrapolated([0], [0], 100, lumpy=True) == NOTHING
    assert extrapolated([0, 0], [10, 10], 80, lumpy=False) == Estimate(0, 0, 12)
    one = extrapolated([5], [10], 90, lumpy=True)
    assert one.likely == pytest.approx(50) and one.high > 100


def test_copies_of_what_was_not_read_are_more_than_the_sample_shows():
    assumed = Estimate(0.0, 0.15, 0.4)
    assert share_of_copies(5, 20, 100, 1.0, assumed) == exactly(0.25)
    pairs = share_of_copies(0, 20, 400, 0.5, assumed)  # each pair is seen with its owner half of the time
    assert pairs.low == 0.05 and pairs.likely == pytest.approx(0.005**0.5) and pairs.high == 0.4
    assert share_of_copies(0, 1, 1000, 0.001, assumed).likely == 0.15  # too few to tell
    assert share_of_copies(0, 0, 0, 0.5, assumed) == assumed


def test_a_percentile_takes_of_the_passing_what_the_others_leave_it():
    cut = Share(exactly(0.8), certain=True)
    assert overlap(cut, 100, 100, several=False) == Estimate(pytest.approx(0.8), 0.8, pytest.approx(0.8))
    assert overlap(cut, 50, 100, several=False) == Estimate(pytest.approx(0.6), 0.8, 1.0)
    assert overlap(cut, 0, 100, several=False) == exactly(0.8)


# -------------------------------------------------------------------------------------------------------------- samples


def record(number: int) -> bytes:
    text = f"第{number}号记录：这家餐厅的菜很好吃，ＡＢＣ，😀，服务也周到。" * (1 + number % 7)
    return json.dumps({"text": text}, ensure_ascii=False).encode() + b"\n"


def sampled(folder: Path, count: int, seed: int = 1, kind: str = "jsonl", range_bytes: int = 10**9) -> Sample:
    shards = plan_shards([Source(name="s", format=kind, path=str(folder))], range_bytes, 0)
    return sample_of_source(shards, count, seed, 2_000_000, ["text"])


def estimated(sample: Sample) -> Estimate:
    return extrapolated(
        [len(chunk.records) for chunk in sample.chunks], [chunk.size for chunk in sample.chunks], sample.unread, True
    )


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz"])
def test_a_sample_is_the_same_every_time_and_its_estimate_holds(tmp_path, ending):
    for file in range(30):
        lines = b"".join(record(file * 400 + number) for number in range(400))
        (tmp_path / f"part-{file}{ending}").write_bytes(gzip.compress(lines) if ending.endswith(".gz") else lines)
    first, again, other = sampled(tmp_path, 600), sampled(tmp_path, 600), sampled(tmp_path, 600, seed=2)
    locators = [[raw.locator for chunk in sample.chunks for raw in chunk.records] for sample in (first, again, other)]
    assert locators[0] == locators[1] != locators[2]
    assert 600 <= len(locators[0]) < 700 and len(first.shards()) >= 20
    for sample in (first, other):
        found = estimated(sample)
        assert found.low <= 12_000 <= found.high and found.likely == pytest.approx(12_000, rel=0.1)


def test_a_large_file_is_read_from_inside_and_each_record_once(tmp_path):
    lines = [record(number) for number in range(9000)]
    (tmp_path / "big.jsonl").write_bytes(b"".join(lines))
    some = sampled(tmp_path, 500, range_bytes=700_000)
    assert any("@0+" not in chunk.records[0].locator for chunk in some.chunks)
    assert estimated(some).low <= 9000 <= estimated(some).high
    everything = sampled(tmp_path, 10**6, range_bytes=3_000_000)
    texts = [raw.value["text"] for chunk in everything.chunks for raw in chunk.records]
    assert sorted(texts) == sorted(json.loads(line)["text"] for line in lines) and everything.unread == 0
    assert sum(chunk.size for chunk in everything.chunks) == pytest.approx(everything.bytes)


def test_rows_of_parquet_are_counted_by_its_footer(tmp_path):
    for file in range(8):
        pq.write_table(pa.table({"text": [f"文{file} {number}" * 9 for number in range(1000)]}), tmp_path / f"{file}.parquet")
    assert estimated(sampled(tmp_path, 400, kind="parquet")).likely == pytest.approx(8000, rel=0.02)


def test_an_empty_source_and_one_smaller_than_the_sample(tmp_path):
    (tmp_path / "empty.jsonl").write_bytes(b"")
    empty = sampled(tmp_path, 100)
    assert [raw.reason for chunk in empty.chunks for raw in chunk.records] == ["empty_file"] and empty.unread == empty.bytes == 0
    (tmp_path / "few.jsonl").write_bytes(record(1) + record(2))
    assert estimated(sampled(tmp_path, 100)) == exactly(3)


# --------------------------------------------------------------------------------------------------------------- speeds

TABLE = [
    Speed("vllm", "H100", 32.0, "published", read=4000, written=1600, startup=100),
    Speed("transformers", "cpu", 0.026, "measured", read=1500, written=140),
    Speed("", "H100", 6.0, "computed", learned=10_000),
]


def test_the_nearest_speed_is_taken_and_scaled_by_size():
    near = choose(TABLE, "label", "vllm", "NVIDIA H100 80GB HBM3", 34.0)
    assert near.speed.written == pytest.approx(1600 * 32 / 34) and near.doubt == 1.5 and "scaled" not in near.words
    smaller = choose(TABLE, "polish", "vllm", "H100", 6.0)
    assert smaller.speed.written == pytest.approx(1600 * 32 / 6) and smaller.doubt > near.doubt and "scaled to 6" in smaller.words
    assert "nothing nearer" in choose(TABLE, "label", "vllm", "MI300", 6.0).words
    own = Speed("vllm", "H100", 6.0, "measured here", read=9000, written=3000, stage="label")
    assert choose([*TABLE, own], "label", "vllm", "H100", 6.0).speed == own
    assert choose([*TABLE, own], "polish", "vllm", "H100", 6.0).speed.source == "published"
    with pytest.raises(BadSpeeds, match=r"label is known: name a file in plan\.speeds"):
        choose(TABLE[2:], "label", "vllm", "H100", 6.0)


def test_jobs_speeds_are_added_up_and_a_torn_file_is_passed_over(tmp_path, base_model):
    folder = tmp_path / "completions/label/wudao/甲"
    folder.mkdir(parents=True)
    facts = {"engine": "transformers", "device": "cpu", "gpus": 0, "threads": 1, "model": str(base_model)}
    spent = {"answers": 10, "prompt_tokens": 1500, "output_tokens": 280, "seconds": 6.0, "startup": 4.0} | facts
    for name in ("a", "b"):
        (folder / f"{name}.jsonl.spent").write_text(json.dumps(spent))
    (folder / "c.jsonl.spent").write_text(json.dumps(spent)[:50])
    [speed] = measured(tmp_path, TABLE, "cpu")
    assert (speed.stage, speed.device, speed.startup) == ("label", "cpu", 4.0)
    assert speed.seconds(3000, 560) == pytest.approx(12.0, rel=1e-3)
    assert billions_of(str(base_model)) == pytest.approx(0.0258, rel=0.01)
    (tmp_path / "speeds.yaml").write_text(as_yaml([speed]))
    assert read_table(tmp_path / "speeds.yaml")["speeds"] == [speed]


def test_a_training_is_timed_for_each_of_its_devices(tmp_path, base_model):
    for folder in ("models/label", "benchmarks"):
        (tmp_path / folder).mkdir(parents=True)
    trained = {"path": str(base_model), "trained": {"tokens": 80_000, "processes": 2}}
    (tmp_path / "models/label/model.json").write_text(json.dumps(trained))
    assert measured(tmp_path, TABLE, "A100") == []  # not finished
    (tmp_path / "benchmarks/train_label_model.tsv").write_text("s\th:m:s\n100.0\t0:01:40\n")
    [speed] = measured(tmp_path, TABLE, "A100")
    assert (speed.learned, speed.device, speed.stage) == (400.0, "A100", "train")
    assert choose([*TABLE, speed], "train", "", "A100", speed.billions).speed == speed


@pytest.mark.parametrize(
    ("name", "size"), [("01-ai/Yi-34B", 34), ("/models/Yi-6B-Chat", 6), ("MiniMind2-26M", 0.026), ("甲", None)]
)
def test_a_models_size_is_in_its_name(name, size):
    assert billions_of(name) == (pytest.approx(size) if size else None)


def test_the_table_that_comes_along_is_whole_and_a_wrong_one_is_told_of(root, tmp_path):
    table = read_table(root / "config/speeds.yaml")
    assert all(speed.source for speed in table["speeds"])
    assert {"copies", "perplexity", "labelled", "scored", "rules", "good", "polished", "pairs", "dataset"} <= table[
        "assumed"
    ].keys()
    (tmp_path / "bad.yaml").write_text("speeds:\n  - {engine: vllm, device: H100, billions: 0, source: x, read: 1, written: 1}\n")
    with pytest.raises(BadSpeeds, match=r"bad\.yaml: speeds\[0\]: `billions`"):
        read_table(tmp_path / "bad.yaml")


def test_tokens_of_seed_pairs_are_counted_whatever_their_fields(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"instruction": "写诗", "output": "好"}\ntorn {\n', encoding="utf-8")
    (tmp_path / "b.json").write_text('[{"messages": [{"role": "user", "content": "你好"}]}]', encoding="utf-8")
    files = [str(tmp_path / name) for name in ("a.jsonl", "b.json")]
    assert seed_of(files, 1_000_000, lambda texts: [len(text) for text in texts]) == Seed(2, 3 + 6)


# ----------------------------------------------------------------------------------------------- the demo's material

RAW, DOCUMENTS, PRIMARY = 1511, 1499, 866  # what a run of the demo finds, in README.md


@pytest.fixture(scope="session")
def tokenizer(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_text(json.dumps({"path": str(base_model), "fingerprint": "t"}))
    return path


def settings_of(root: Path, results: Path, monkeypatch: pytest.MonkeyPatch, **changed) -> str:
    monkeypatch.chdir(root)
    config = yaml.safe_load((root / "config/demo.yaml").read_text(encoding="utf-8")) | {"results": str(results)}
    return load(config | changed).model_dump_json()


def plan(root: Path, settings: str, tokenizer: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "workflow_scripts/plan.py", "--settings", settings, "--tokenizer", str(tokenizer), *more]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


def read(results: Path, name: str = "plan.json") -> dict:
    return json.loads((results / "report" / name).read_text())


def of_stage(plan: dict, stage: str) -> list[float]:
    [found] = [entry for entry in plan["stages"] if entry["stage"] == stage]
    return found["kept"]


def test_the_demos_primary_data_is_foreseen_before_any_model_is_made(root, material, tokenizer, tmp_path, monkeypatch):
    done = plan(root, settings_of(root, tmp_path, monkeypatch), tokenizer)
    assert done.returncode == 0, done.stderr
    found = read(tmp_path)
    assert found["raw"] == [RAW] * 3 and of_stage(found, "documents") == [DOCUMENTS] * 3
    low, likely, high = of_stage(found, "primary")
    assert likely == pytest.approx(PRIMARY, rel=0.15) and low < PRIMARY < high
    assert of_stage(found, "curated")[1] == pytest.approx(of_stage(found, "scored")[1] / 2, rel=0.15)
    assert [entry["stage"] for entry in found["stages"]][3:5] == ["train label", "train chat"]
    assert found == read(tmp_path, "planned.json") and "primary data" in done.stdout and "assumed" in done.stdout
    assert (tmp_path / "report/plan.html").read_text(encoding="utf-8").count('class="bar"') > 8
    plan(root, settings_of(root, tmp_path, monkeypatch), tokenizer)
    assert read(tmp_path) == found


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_small_samples_of_the_demo_hold_the_truth_in_their_intervals(root, material, tokenizer, tmp_path, monkeypatch, seed):
    settings = settings_of(root, tmp_path, monkeypatch, plan={"sample": 120, "seed": seed})
    assert plan(root, settings, tokenizer).returncode == 0
    found = read(tmp_path)
    assert all(source["share_read"] < 0.6 for source in found["sources"].values())
    for name, truth in (("raw", RAW), ("documents", DOCUMENTS), ("primary", PRIMARY)):
        low, likely, high = found["raw"] if name == "raw" else of_stage(found, name)
        assert low <= truth <= high and likely == pytest.approx(truth, rel=0.3), name


def test_given_models_need_no_seed_and_a_damaged_shard_is_told_of(root, material, base_model, tokenizer, tmp_path, monkeypatch):
    data = tmp_path / "原料"
    for name in ("good", "bad", "none"):
        (data / name).mkdir(parents=True)
    good = b"".join(record(number) for number in range(40))
    (data / "good/a.jsonl").write_bytes(good)
    (data / "bad/b.jsonl.gz").write_bytes(gzip.compress(b'{"text": \n' * 20 + good)[:-30])
    (data / "none/c.jsonl").write_bytes(b"")
    sources = [{"name": name, "format": "jsonl", "path": str(data / name)} for name in ("good", "bad", "none")]
    models = {role: str(base_model) for role in ("label", "point", "answer")} | {"base": None}
    settings = settings_of(
        root,
        tmp_path / "r",
        monkeypatch,
        corpus={"sources": sources, "pack_megabytes": 0},
        models=models,
        seed={"files": []},
        perplexity={"measures": ["causal"], "causal": {"model": str(base_model), "tokens": 16}},
    )
    done = plan(root, settings, tokenizer)
    assert done.returncode == 0, done.stderr
    found = read(tmp_path / "r")
    assert not [entry for entry in found["stages"] if entry["stage"].startswith("train")]
    [causal] = [entry for entry in found["stages"] if entry["stage"] == "causal"]
    assert causal["prompt_tokens"][1] == pytest.approx(16 * of_stage(found, "documents")[1]) and causal["hours"][1] > 0
    assert found["sources"]["good"]["raw"][1] == 40 and found["sources"]["none"]["documents"][1] == 0
    assert any(warning.startswith("bad/b") and "corpus.max_rejected" in warning for warning in found["warnings"])
    assert "source none: no document in its sample" in found["warnings"]


# ----------------------------------------------------------------------------------------- what is known, used, shown


def write_stage(results: Path, stage: str, shard: str, came_in: int, kept: int, **notes: int) -> None:
    table = results / stage / f"{shard}.parquet"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_bytes(b"12345")
    table.with_name(table.stem + ".dropped.parquet").write_bytes(b"123")
    ledger = Ledger(stage=stage, came_in=came_in, kept=kept, dropped={"truncated": came_in - kept}, notes=notes)
    table.with_name(table.stem + ".ledger.json").write_bytes(ledger.to_json())


def test_one_finished_shard_tells_what_the_models_do_and_the_first_plan_is_kept(root, material, tokenizer, tmp_path, monkeypatch):
    settings = settings_of(root, tmp_path, monkeypatch)
    assert plan(root, settings, tokenizer).returncode == 0
    before = read(tmp_path)
    shard = plan_shards(load(json.loads(settings)).corpus.sources, 256_000_000, 0)[0].id()
    write_stage(tmp_path, "labelled", shard, 120, 116, prompt_tokens=30_000, output_tokens=2400)
    write_stage(tmp_path, "polished", shard, 58, 36, prompt_tokens=16_000, output_tokens=9000)
    write_stage(tmp_path, "pairs", shard, 36, 28)
    assert plan(root, settings, tokenizer).returncode == 0
    now = read(tmp_path)
    assert read(tmp_path, "planned.json") == before
    for stage, part in (("labelled", 116 / 120), ("polished", 36 / 58), ("pairs", 28 / 36)):
        [entry] = [entry for entry in now["stages"] if entry["stage"] == stage]
        assert entry["kept"][1] == pytest.approx(entry["in"][1] * part) and "1 of 2 shards of" in entry["rests_on"]
        assert entry["kept"][0] < entry["kept"][1] < entry["kept"][2]
    labelled = next(entry for entry in now["stages"] if entry["stage"] == "labelled")
    assert labelled["output_tokens"][1] == pytest.approx(labelled["in"][1] * 20)
    rows = {row["title"]: row for row in used_and_planned(tmp_path, [shard])}
    assert rows["labelled"]["used"] == "116" and rows["labelled"]["outside"] and rows["labelled"]["tokens_used"] == "30k / 2400"


def test_ledgers_that_are_torn_or_do_not_balance_count_nothing(tmp_path):
    write_stage(tmp_path, "pairs", "s/a", 10, 4)
    write_stage(tmp_path, "pairs", "s/b", 10, 4)
    (tmp_path / "pairs/s/b.ledger.json").write_text('{"in": 10, "ke')
    write_stage(tmp_path, "pairs", "s/c", 10, 4)
    (tmp_path / "pairs/s/c.ledger.json").write_text('{"stage": "pairs", "in": 10, "kept": 4}')
    known = known_of(tmp_path, "pairs", ["s/a", "s/b", "s/c", "s/d"])
    assert (known.shards, known.came_in, known.kept, known.bytes, known.reasons["truncated"]) == (1, 10, 4, 8, 6)


def test_figures_are_short_and_text_from_outside_is_no_markup():
    assert [number(value) for value in (0.123, 7, 9999, 12_345, 3.4e6, 2e12)] == ["0.12", "7", "9999", "12.3k", "3.4M", "2T"]
    assert hours([0.05, 0.1, 0.2]) == "6 (3–12) min" and hours([2, 3, 4]) == "3 (2–4) h" and hours([0, 0, 0]) == ""
    stage = {
        "stage": "documents", "in": [1, 1, 1], "kept": [1, 1, 1], "by_source": {"s": [1, 1, 1]}, "rests_on": "<script>坏</script>", "jobs": 1,
        "prompt_tokens": [0, 0, 0], "output_tokens": [0, 0, 0], "hours": [0, 0, 0], "gpus": 0, "bytes": [1, 1, 1], "speed": "",
    }  # fmt: skip
    shown = {
        "name": "<b>甲",
        "raw": [1, 1, 1],
        "device": "cpu",
        "stages": [stage],
        "bytes": [1, 1, 1],
        "bytes_there": 0,
        "sources": {},
    }
    page = as_page(shown | {"warnings": ["<i>"]})
    assert "<script>" not in page and "<b>甲" not in page and "<i>" not in page.replace("<i style", "")
    assert "<script>坏" in as_text(shown | {"warnings": []})
