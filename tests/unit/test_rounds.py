"""Rounds of curation: where their files are, what the final model learns, how it is asked, what of the settings it depends on."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from journal import stale_files
from kun.books.rounds import folder_of_round, folder_of_stage, round_of_folder, rounds_there
from kun.books.stage import Stage
from kun.completions.chat import encode_chat
from kun.completions.requests import Choose, Generate, Message, Request
from kun.report.rounds import read_rounds
from kun.roles.prompt import read_prompt, request_with
from kun.roles.score import Judge
from kun.settings.load import BadConfiguration, load
from kun.settings.roles import Judging
from kun.settings.root import Settings
from kun.settings.training import SystemPrompts
from kun.training.examples import forward, tokenised
from kun.training.mixture import facts_of_mixture, mixed

SYSTEM = "你是一位助手。"
GENERATED = "根据网页上的知识回答。"

# ------------------------------------------------------------------------------------------------------------------ places


def test_the_first_round_is_where_everything_is_and_a_later_one_is_apart():
    results = Path("结果")
    assert [folder_of_round(number) for number in (1, 2, 10)] == ["", "rounds/2/", "rounds/10/"]
    assert [round_of_folder(folder_of_round(number)) for number in (1, 2, 10)] == [1, 2, 10]
    assert folder_of_stage(results, "scored", 1) == results / "scored"
    assert folder_of_stage(results, "scored", 2) == results / "rounds/2/scored"
    for shared in ("documents", "signals", "causal", "primary", "labelled"):
        assert folder_of_stage(results, shared, 2) == results / shared


def test_rounds_that_are_there_come_in_their_order(tmp_path: Path):
    assert list(rounds_there(tmp_path)) == [1]
    for name in ("10", "2", "old"):
        (tmp_path / "rounds" / name).mkdir(parents=True)
    assert list(rounds_there(tmp_path)) == [1, 2, 10]


# ----------------------------------------------------------------------------------------------------------------- mixture


def seed(instruction: str, held_out: bool = False) -> dict:
    return {"id": f"s{instruction}", "instruction": instruction, "output": "种子", "held_out": held_out}


def generated(instruction: str) -> dict:
    return {"id": f"g{instruction}", "instruction": instruction, "output": "网页"}


def test_seed_pairs_come_first_and_generated_ones_are_only_learnt():
    found = list(mixed([seed("写诗"), seed("写信", held_out=True)], map(generated, ["写歌😀", "寫詩"]), SystemPrompts()))
    assert [pair["id"] for pair in found] == ["s写诗", "s写信", "g写歌😀", "g寫詩"]
    assert [pair["held_out"] for pair in found] == [False, True, False, False]
    assert [pair["system"] for pair in found] == [None] * 4


def test_what_a_held_out_pair_asks_is_not_learnt_in_other_punctuation_either():
    pairs = [seed("请写一封ＡＢ信。", held_out=True), seed("写诗")]
    made = [generated(text) for text in ("请写一封AB信", " 请写 一封AB信！", "写诗！", "请写两封AB信")]
    found = list(mixed(pairs, made, SystemPrompts()))
    assert [pair["id"] for pair in found[2:]] == ["g写诗！", "g请写两封AB信"], "what a learnt seed pair asks may come again"
    facts = facts_of_mixture(pairs, made, len(made), SystemPrompts(seed=SYSTEM))
    assert (facts["generated_pairs"], facts["left_out_as_held_out"]) == (2, 2)
    assert facts["system_prompts"] == {"seed": SYSTEM, "generated": None}
    assert facts["generated"] != facts_of_mixture(pairs, made[:3], 3, SystemPrompts())["generated"]


def test_each_kind_has_its_system_prompt():
    pairs, made = [seed("写诗"), seed("写信", True)], [generated("写歌")]
    both = mixed(pairs, made, SystemPrompts(seed=SYSTEM, generated=GENERATED))
    assert [pair["system"] for pair in both] == [SYSTEM, SYSTEM, GENERATED]
    assert [pair["system"] for pair in mixed(pairs, made, SystemPrompts(seed=SYSTEM))] == [SYSTEM, SYSTEM, None]


def test_no_generated_pair_is_a_mixture_too():
    assert [pair["id"] for pair in mixed([seed("写诗")], [], SystemPrompts())] == ["s写诗"]
    assert facts_of_mixture([seed("写诗")], [], 0, SystemPrompts())["generated_pairs"] == 0


def test_a_system_prompt_is_shown_and_not_learnt(base_model: Path):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base_model)
    [plain], [told] = tokenised(tokenizer, [forward(seed("写诗"))]), tokenised(tokenizer, [forward(seed("写诗"), SYSTEM)])
    prompt = encode_chat(tokenizer, [Message("system", SYSTEM), Message("user", "写诗")])
    assert told["input_ids"][: len(prompt)] == prompt and told["labels"][: len(prompt)] == [-100] * len(prompt)
    assert [label for label in told["labels"] if label != -100] == [label for label in plain["labels"] if label != -100]
    assert SYSTEM in tokenizer.decode(prompt)


# ------------------------------------------------------------------------------------------------------------------ asking


@pytest.fixture(scope="module")
def asked(root: Path) -> Request:
    prompt = read_prompt(root / "config/prompts/polish.jinja", "text", "instruction")
    return request_with(prompt, Generate(8, 0.0, 1.0, 1.0), text="长文" * 50, instruction="写诗")


def test_a_system_message_stands_before_the_question_also_where_its_text_is_cut(asked: Request):
    told = asked.under(SYSTEM)
    assert told.messages == (Message("system", SYSTEM), *asked.messages)
    assert told.shown.text == asked.shown.text
    assert told.shown.messages("长") == (Message("system", SYSTEM), *asked.shown.messages("长"))
    assert (told.decoding, told.candidate) == (asked.decoding, asked.candidate)
    assert Request((Message("user", "好"),), Choose(("好", "差"))).under(SYSTEM).shown is None


def test_a_question_under_a_system_prompt_is_another_question(asked: Request):
    keys = {asked.key("m"), asked.under(SYSTEM).key("m"), asked.under(GENERATED).key("m")}
    assert len(keys) == 3
    assert asked.under(SYSTEM).key("m") == asked.under(SYSTEM).key("m")


def test_a_model_is_asked_after_the_system_prompt_of_its_description_and_else_as_before(tmp_path: Path):
    """Through the program's own way to the store: what is known there is what it asks for."""
    from argparse import Namespace

    from kun.completions.job import answered
    from kun.completions.requests import Completion
    from kun.completions.store import Store
    from kun.settings.completions import Engine

    request = Request((Message("user", "写诗"),), Choose(("好", "差")))
    store = Store(tmp_path / "store")
    for key, text in ((request.key("m"), "差"), (request.under(SYSTEM).key("m"), "好")):
        store.add({key: Completion(text, "choice", 1, 1, (-0.1, -2.0))})
    store.close()
    for description, text in (({}, "差"), ({"system": None}, "差"), ({"system": SYSTEM}, "好")):
        model = tmp_path / "model.json"
        model.write_text(json.dumps({"fingerprint": "m", "path": "nowhere"} | description), encoding="utf-8")
        arguments = Namespace(model=model, engine=Engine(), store=tmp_path / "store", name="score", gpus=0, trust_remote_code=False)
        [(_, [completion])] = answered(arguments, [("record", [request])], 1)
        assert completion.text == text


def test_scores_under_a_system_prompt_are_of_another_judge(root: Path):
    prompt = root / "config/prompts/score.jinja"
    plain, none, told = (
        Judge(prompt, Judging(), {"fingerprint": "m"} | more) for more in ({}, {"system": None}, {"system": SYSTEM})
    )
    assert plain.identity == none.identity != told.identity


# ---------------------------------------------------------------------------------------------------------------- settings


def configured(tmp_path: Path, **more) -> dict:
    (tmp_path / "raw").mkdir(exist_ok=True)
    (tmp_path / "base").mkdir(exist_ok=True)
    sources = [{"name": "a", "format": "jsonl", "path": str(tmp_path / "raw")}]
    reference = tmp_path / "reference.txt"
    reference.write_text("春天来了。\n", encoding="utf-8")
    return {
        "corpus": {"sources": sources},
        "perplexity": {"kenlm": {"reference": [str(reference)]}},
        "models": {"base": str(tmp_path / "base")},
        **more,
    }


def test_a_second_round_trains_and_so_needs_a_base_and_seed_pairs(tmp_path: Path, root: Path, monkeypatch):
    monkeypatch.chdir(root)
    given = {role: str(tmp_path / "base") for role in ("label", "point", "answer")} | {"base": None}
    assert load(configured(tmp_path, models=given)).trained() == []
    with pytest.raises(BadConfiguration, match=r"models\.base: needed, because the model for final is to be trained"):
        load(configured(tmp_path, models=given, iterations=2))
    given["base"] = str(tmp_path / "base")
    with pytest.raises(BadConfiguration, match=r"seed\.files\[0\]: there is no 'no.jsonl'"):
        load(configured(tmp_path, models=given, iterations=2, seed={"files": ["no.jsonl"]}))
    assert load(configured(tmp_path, models=given, iterations=2)).trained() == ["final"]


@pytest.mark.parametrize("wrong", [{"iterations": 0}, {"training": {"system_prompts": {"seed": ""}}}])
def test_no_round_and_an_empty_system_prompt_are_refused(wrong: dict):
    with pytest.raises(ValueError):
        Settings.model_validate(wrong)


@pytest.mark.parametrize(
    "servers, fault",
    [
        ({"servers": ["http://node:1/v1"]}, "name its servers apart"),
        (
            {"servers": {"label": ["http://n:1/v1"], "point": ["http://n:1/v1"], "answer": ["http://n:1/v1"]}},
            "name its servers apart",
        ),
        ({"servers": ["http://node:1/v1"], "model": {"point": "chat", "final": "final"}}, None),
        ({"servers": {role: ["http://n:1/v1"] for role in ("label", "point", "answer", "final")}}, None),
    ],
)
def test_a_server_is_not_taken_for_a_judge_that_it_does_not_have(
    tmp_path: Path, root: Path, monkeypatch, servers: dict, fault: str | None
):
    monkeypatch.chdir(root)
    config = configured(tmp_path, engine={"name": "openai", "openai": servers})
    load(config)
    if fault is None:
        load(config | {"iterations": 2})
        with pytest.raises(BadConfiguration, match="at most 2"):
            load(config | {"iterations": 3})
    else:
        with pytest.raises(BadConfiguration, match=fault):
            load(config | {"iterations": 2})


# ---------------------------------------------------------------------------------------------------------- beside each other


def tables(results: Path, stage: str, number: int, rows: dict[str, list[dict]]) -> None:
    """A stage's tables in a round, of rows by shard."""
    schema = pa.schema([("id", pa.string()), ("score", pa.float64())])
    for shard, records in rows.items():
        with Stage(stage, folder_of_stage(results, stage, number) / f"{shard}.parquet", schema) as opened:
            for row in records:
                opened.take()
                opened.keep(row)


def test_rounds_are_held_beside_each_other(tmp_path: Path):
    scores = {1: {"a/甲": [0.1, 0.5], "a/乙": [0.9]}, 2: {"a/甲": [0.2, 0.4], "a/乙": [0.6]}}
    kept = {1: {"a/甲": "xy", "a/乙": "z"}, 2: {"a/甲": "yw", "a/乙": "x"}}  # x is another shard's in the second: no overlap
    for number in (1, 2):
        tables(
            tmp_path, "scored", number, {s: [{"id": str(v), "score": v} for v in values] for s, values in scores[number].items()}
        )
        tables(tmp_path, "curated", number, {s: [{"id": i, "score": 1.0} for i in ids] for s, ids in kept[number].items()})
        tables(tmp_path, "dataset", number, {"pairs": [{"id": str(i), "score": 1.0} for i in range(4 - number)]})
    first, second = read_rounds(tmp_path, ["a/甲", "a/乙"], 2, judged=False)
    assert (first.number, first.scored, first.kept, first.kept_before, first.pairs, first.judge) == (1, 3, 3, None, 3, {})
    assert (second.number, second.scored, second.kept, second.kept_before, second.pairs) == (2, 3, 3, 1, 2)
    assert [first.mean_score, second.mean_score] == pytest.approx([0.5, 0.4])


def test_a_round_without_a_score_has_no_mean(tmp_path: Path):
    for stage, rows in (("scored", {"a/甲": []}), ("curated", {"a/甲": []}), ("dataset", {"pairs": []})):
        tables(tmp_path, stage, 1, rows)
    [only] = read_rounds(tmp_path, ["a/甲"], 1, judged=False)
    assert (only.scored, only.mean_score, only.kept, only.pairs) == (0, None, 0, 0)


def test_what_is_asked_again_is_asked_again_in_every_round(tmp_path: Path):
    for number in (1, 2):
        for stage in ("labelled", "scored", "curated", "polished", "pairs"):
            tables(tmp_path, stage, number, {"a/甲": []})
        (folder_of_stage(tmp_path, "dataset", number)).mkdir(parents=True)
        (folder_of_stage(tmp_path, "dataset", number) / "README.md").touch()
    gone = {path.relative_to(tmp_path).as_posix() for path in stale_files(tmp_path, "polish", "a/甲")}
    assert gone == {
        f"{place}{name}"
        for place in ("", "rounds/2/")
        for name in (*(f"{stage}/a/甲.ledger.json" for stage in ("polished", "pairs")), "dataset/README.md")
    }
