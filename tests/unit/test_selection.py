"""What is dropped, and for which reason."""

import json
import math
import subprocess
import sys

import numpy as np
import polars as pl
import pytest

from kun.books.tables import TableWriter, read_rows
from kun.corpus.documents import SCHEMA as DOCUMENTS
from kun.selection.cut import Band
from kun.selection.duplicates import SCHEMA as COPIES
from kun.selection.instructions import InstructionRules
from kun.selection.phrases import ANSWERS, INSTRUCTIONS, Rules, of_preset
from kun.selection.primary import COLUMNS, with_reasons
from kun.settings.roles import Instructions
from kun.settings.selection import Primary
from kun.signals.measure import SCHEMA as SIGNALS

# --------------------------------------------------------------------------------------------------------------- primary

FINE = {
    "characters": 100,
    "tokens": 60,
    "han_share": 0.9,
    "language": "zh",
    "repeated_grams": 0.01,
    "repeated_lines": 0.0,
    "markup_share": 0.0,
    "perplexity": 50.0,
    "perplexity_tokens": 100,
}


UP_TO_100 = {"perplexity": Band(None, 100.0)}


def reasons(rows: list[dict], bands: dict[str, Band] = UP_TO_100, settings: Primary | None = None) -> list[str | None]:
    schema = {name: kind for name, kind in pl.from_arrow(SIGNALS.empty_table()).schema.items() if name in COLUMNS}
    table = pl.DataFrame([{name: row[name] for name in COLUMNS} for row in rows], schema=schema)
    return with_reasons(table, settings or Primary(), bands)["reason"].to_list()


def reason(**signals) -> str | None:
    return reasons([FINE | signals])[0]


@pytest.mark.parametrize(
    "signals",
    [
        {},
        {"characters": 20},
        {"tokens": 512},
        {"han_share": 0.5},
        {"language": "yue"},
        {"repeated_grams": 0.25},
        {"perplexity": 100.0},
        {"tokens": 0, "perplexity": 1.0},
    ],
)
def test_a_document_at_the_limits_stays(signals):
    assert reason(**signals) is None


@pytest.mark.parametrize(
    ("signals", "expected"),
    [
        ({"characters": 19}, "too_short"),
        ({"characters": 0}, "too_short"),
        ({"tokens": 513}, "too_long"),
        ({"tokens": 10**9}, "too_long"),
        ({"han_share": 0.4999}, "not_chinese"),
        ({"language": "ja"}, "not_chinese"),
        ({"language": ""}, "not_chinese"),
        ({"repeated_grams": 0.31}, "repetitive"),
        ({"repeated_lines": 0.31}, "repetitive"),
        ({"markup_share": 0.21}, "markup"),
        ({"perplexity": 100.01}, "high_perplexity"),
        ({"perplexity": float("inf")}, "high_perplexity"),
        ({"perplexity": float("nan")}, "high_perplexity"),
        ({"perplexity": None}, "high_perplexity"),
    ],
)
def test_a_document_beyond_a_limit_has_that_reason(signals, expected):
    assert reason(**signals) == expected


@pytest.mark.parametrize(
    ("name", "limit"),
    [("han_share", "min_han_share"), ("repeated_grams", "max_repeated_grams"), ("markup_share", "max_markup_share")],
)
def test_a_share_exactly_at_its_limit_stays_however_the_table_is_read(name, limit):
    """Stored in single precision: 0.7 is a little less than 0.7, 0.3 a little more."""
    for share in (0.1, 0.2, 0.3, 0.6, 0.7, 0.9):
        stored = float(np.float32(share))
        rows = pl.DataFrame([FINE | {name: stored}])
        settings = Primary(**{limit: share})
        for table in (rows, rows.with_columns(pl.col(name).cast(pl.Float32))):
            assert with_reasons(table, settings, UP_TO_100)["reason"].to_list() == [None]


def test_a_document_is_judged_by_its_own_row():
    rows = [FINE, FINE | {"tokens": 600}, FINE, FINE | {"perplexity": None}, FINE | {"characters": 3}]
    assert reasons(rows) == [None, "too_long", None, "high_perplexity", "too_short"]


def test_the_detail_says_what_decided():
    signals = pl.DataFrame([FINE | {"tokens": 600}, FINE | {"language": "ja"}, FINE | {"perplexity": 123.4}, FINE])
    details = with_reasons(signals, Primary(), UP_TO_100)["detail"].to_list()
    assert details == ["600 tokens", "language ja", "123.4 > 100.0", None]


def test_without_a_cut_a_text_that_was_not_measured_stays():
    assert reasons([FINE | {"perplexity": None}], {}) == [None]


def test_a_band_has_two_ends_which_stay_themselves():
    rows = [FINE | {"perplexity": value} for value in (9.9, 10.0, 50.0, 100.0, 100.1, None)]
    assert reasons(rows, {"perplexity": Band(10.0, 100.0)}) == [
        "low_perplexity",
        None,
        None,
        None,
        "high_perplexity",
        "high_perplexity",
    ]
    assert reasons(rows, {"perplexity": Band(10.0, None)}) == ["low_perplexity", *[None] * 5]


def test_a_short_text_is_given_the_benefit_of_doubt_and_a_long_one_hardly():
    """For n tokens a factor of e^(doubt/√n): with 3 nats, e at 9 tokens and 1.03 at 10,000."""
    rows = [
        FINE | {"perplexity": value, "perplexity_tokens": n}
        for n in (9, 10_000)
        for value in (9.0, 36.0, 40.0, 102.0, 270.0, 273.0)
    ]
    found = reasons(rows, {"perplexity": Band(100.0 / math.e, 100.0, 3.0)})
    assert found == [
        "low_perplexity", None, None, None, None, "high_perplexity",
        "low_perplexity", None, None, None, "high_perplexity", "high_perplexity",
    ]  # fmt: skip


def test_two_perplexities_are_asked_one_after_the_other():
    rows = [
        FINE | {"perplexity": first, "causal_perplexity": second} for first, second in ((50, 5), (500, 50), (50, 50), (50, 0.5))
    ]
    bands = {"perplexity": Band(None, 100.0), "causal_perplexity": Band(1.0, 10.0)}
    found = with_reasons(pl.DataFrame(rows), Primary(), bands)["reason"].to_list()
    assert found == [None, "high_perplexity", "high_causal_perplexity", "low_causal_perplexity"]


def test_no_languages_means_all():
    assert reasons([FINE | {"language": "ja"}], settings=Primary(languages=[])) == [None]


def test_the_first_reason_that_applies_is_given():
    order = {"characters": 1, "tokens": 999, "han_share": 0.0, "repeated_grams": 1.0, "markup_share": 1.0, "perplexity": 999.0}
    expected = ["too_short", "too_long", "not_chinese", "repetitive", "markup", "high_perplexity"]
    for start, name in enumerate(expected):
        assert reason(**dict(list(order.items())[start:])) == name


# -------------------------------------------------------------------------------------------------------- select_primary

MOBILE = "13800000000"
TEXTS = [
    "这家餐馆的招牌菜是糖醋排骨，外酥里嫩，酸甜适中。",
    "这家餐馆的招牌菜是糖醋排骨，外酥里嫩，酸甜适中！",
    "下列哪一项不属于可再生能源，请说明你的理由，并举一个例子。答案是天然气。",
    f"预订房间请打电话{MOBILE}，前台二十四小时有人接听。",
    "这家餐馆的招牌菜是糖醋排骨，外酥里嫩，酸甜适口。",
    "短",
]


@pytest.fixture
def judged(root, tmp_path):
    """select_primary run on TEXTS, with a benchmark's question in the third and copies in the second and fifth."""

    def run(**settings) -> tuple[list[dict], list[dict], dict]:
        write(
            tmp_path / "d.parquet",
            DOCUMENTS,
            [{"id": str(n), "text": text, "title": "", "category": "", "locator": f"f@{n}+1"} for n, text in enumerate(TEXTS)],
        )
        blank = {field.name: None for field in SIGNALS}
        measured = [
            blank | FINE | {"id": str(n), "characters": len(text), "fingerprint": b"f" * 16, "minhash": b"m" * 256}
            for n, text in enumerate(TEXTS)
        ]
        write(tmp_path / "s.parquet", SIGNALS, measured, {"perplexity": "form:model"})
        copies = [
            {"row": 1, "owner": "a:f@0+1", "kind": "exact", "similarity": 1.0},
            {"row": 4, "owner": "a:f@0+1", "kind": "near", "similarity": 0.875},
        ]
        write(tmp_path / "c.parquet", COPIES, copies)
        cuts = {"column": "perplexity", "identity": "form:model", "cuts": {"*": {"low": None, "high": 100.0}}}
        (tmp_path / "cut.json").write_text(json.dumps(cuts))
        (tmp_path / "questions.jsonl").write_text(
            json.dumps({"question": "下列哪一项不属于可再生能源?请说明你的理由、并举一个例子"}, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )
        benchmarks = {"benchmarks": [{"path": str(tmp_path / "questions.jsonl")}]}
        subprocess.run(
            [sys.executable, "workflow_scripts/select_primary.py", "--documents", tmp_path / "d.parquet", "--signals", tmp_path / "s.parquet",
             "--duplicates", tmp_path / "c.parquet", "--calibration", tmp_path / "cut.json", "--source", "a", "--settings", json.dumps(settings),
             "--decontamination", json.dumps(benchmarks), "--simplify", "--output", tmp_path / "out.parquet"],
            cwd=root,
            check=True,
        )  # fmt: skip
        ledger = json.loads((tmp_path / "out.ledger.json").read_text())
        return list(read_rows(tmp_path / "out.parquet")), list(read_rows(tmp_path / "out.dropped.parquet")), ledger

    return run


def write(path, schema, rows, metadata=None):
    writer = TableWriter(path, schema, metadata)
    for row in rows:
        writer.add(row)
    writer.close()


def test_every_document_is_kept_or_has_its_reason(judged):
    kept, dropped, ledger = judged()
    assert [row["id"] for row in kept] == ["0", "3"]
    assert [(row["id"], row["reason"]) for row in dropped] == [
        ("1", "duplicate"),
        ("2", "contaminated"),
        ("4", "near_duplicate"),
        ("5", "too_short"),
    ]
    details = {row["id"]: row["detail"] for row in dropped}
    assert details["1"] == "of a:f@0+1" and details["4"] == "0.88 like a:f@0+1"
    assert "questions.jsonl:1" in details["2"] and "下列哪一项" in details["2"], "the question is named"
    assert (ledger["in"], ledger["kept"]) == (6, 2)
    assert MOBILE in kept[1]["text"], "nothing is masked unless it is asked for"


def test_personal_numbers_are_masked_when_asked_for(judged):
    kept, _, ledger = judged(mask_personal=True)
    assert kept[1]["text"] == "预订房间请打电话【手机号】，前台二十四小时有人接听。"
    assert kept[1]["id"] == "3" and kept[0]["text"] == TEXTS[0]
    assert ledger["notes"]["masked"] == {"mobile": 1}


# --------------------------------------------------------------------------------------------------------------- phrases


def hits(presets: dict, preset: str, text: str) -> list[str]:
    return of_preset(Rules(presets).hits(text), preset)


@pytest.mark.parametrize(
    "text",
    [
        "根据上述材料，回答问题。",
        "请概括本文的内容：本文章讲了什么？",
        "如图所示，求角A。",
        "见下表，谁最高？",
        "打开链接 http://a.cn/b",
        "请总结出原文的观点",
        "这篇文章的主旨是什么？",
        "该段落说明了什么？",
        "阅读材料，回答问题",
        "如图1，求面积",
        "此文本的作者是谁？",
    ],
)
def test_instructions_that_lean_on_what_the_reader_will_not_have_are_hit(text):
    assert hits(INSTRUCTIONS, "precise", text)


@pytest.mark.parametrize(
    "text",
    [
        "如何查看系统的版本信息？",
        "面试时应该回答哪些问题？",
        "列出公司的基本信息。",
        "例如图书馆这样的地方怎么借书？",
        "怎样降低成本信息的误差？",
        "日本新闻业的历史",
        "罕见图案有哪些？",
        "剧本内容怎么写？",
        "写一篇关于环保的新闻",
        "怎样提取关键词？",
        "简历怎么写？",
        "",
    ],
)
def test_everyday_instructions_are_not(text):
    assert not hits(INSTRUCTIONS, "precise", text)


@pytest.mark.parametrize("word", ["新闻", "图片", "根据", "网站"])
def test_the_published_list_hits_its_words_anywhere(word):
    assert hits(INSTRUCTIONS, "kun", f"请写一段{word}吧")
    assert not hits(INSTRUCTIONS, "none", f"请写一段{word}吧")


def test_everyday_answers_are_left_by_the_precise_list_but_not_by_the_published_one():
    text = "作为一名老师，他根据学生的情况在2023年改了教案。"
    assert hits(ANSWERS, "kun", text) and not hits(ANSWERS, "precise", text)


@pytest.mark.parametrize(
    "text",
    ["作为一个人工智能，我没有感情。", "我是一款由公司开发的语言模型", "很抱歉，我不知道。", "所给材料中提到三点"],
)
def test_an_assistant_that_shows_through_is_hit(text):
    assert hits(ANSWERS, "precise", text)


@pytest.mark.parametrize(
    "text",
    [
        "米饭是人类的主食之一，作为人工智能的应用，电饭锅会自己加水。",
        "她说：“我不能再等了。”",
        "如果我是一个机器人工程师，我会先学数学。",
        "我是一名人工智能工程师。",
        "训练数据的质量决定模型的好坏。",
        "图书馆的知识库由馆员维护。",
        "我由衷地感谢大家。",
        "文中子是隋代的学者。",
        "",
        "\0😀",
    ],
)
def test_everyday_answers_hit_no_precise_rule(text):
    assert not hits(ANSWERS, "precise", text)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("作为OpenAI创建的语言模型，我没有观点。", "self_reference"),
        ("由于我只是一个人工智能助理，没办法替您决定。", "identity"),
        ("我是由某公司训练的大型语言模型。", "maker"),
        ("请稍等，我无法直接访问互联网。", "cannot"),
        ("我很抱歉，但我不熟悉它。", "apology"),
        ("您没有提供任何文章。", "missing_input"),
        ("根据所给材料，米要先洗。", "mentions_given_text"),
        ("我的知识截止到2021年。", "knowledge_base"),
        ("好的。<|im_end|>", "prompt_leftover"),
        ("指令：怎样做饭", "prompt_leftover"),
    ],
)
def test_every_precise_rule_on_answers_has_its_name(text, rule):
    assert rule in hits(ANSWERS, "precise", text)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("请概括上述文章", "refers_to_material"),
        ("请总结以下材料：", "material_to_follow"),
        ("阅读材料，回答问题", "asks_to_read"),
        ("如图所示求面积", "points_at_figure"),
        ("看看 https://a.cn 讲了什么", "link"),
        ("请提取文中的人名", "extract"),
        ("作者认为成功的关键是什么？", "asks_the_text"),
        ("### Instruction: 怎样做饭", "prompt_leftover"),
    ],
)
def test_every_precise_rule_on_instructions_has_its_name(text, rule):
    assert rule in hits(INSTRUCTIONS, "precise", text)


@pytest.mark.parametrize("between", ["：", ":\n", "，给出要点。\n"])
def test_material_that_follows_is_not_missing(between):
    material = "米洗净后加水没过一指，大火烧开，小火焖二十分钟，再焖十分钟。"
    assert not hits(INSTRUCTIONS, "precise", f"总结以下内容{between}{material}")
    assert hits(INSTRUCTIONS, "precise", f"总结以下内容{between}")


@pytest.mark.parametrize("text", ["怎样比较两个文本文档？", "英文作文中常见的语法错误有哪些？", "推荐几本阅读材料？"])
def test_words_inside_other_words_are_not_hit(text):
    assert not hits(INSTRUCTIONS, "precise", text)


def test_the_published_words_are_text_not_patterns_and_each_is_a_rule():
    assert all(rule == pattern for presets in (INSTRUCTIONS, ANSWERS) for rule, pattern in presets["kun"].items())
    rules = Rules({"none": {}, "p": {"dot": r"a\.c", "b": "b"}})
    assert rules.hits("abc") == ["p:b"] and rules.hits("a.c b") == ["p:dot", "p:b"]
    assert rules.first_hit("p", "b a.c") == "dot: a.c"  # the list's first, not the text's first
    assert rules.first_hit("none", "b") is None
    assert rules.tallied(["p:b", "p:b"]) == {"p": {"dot": 0, "b": 2}}


# ---------------------------------------------------------------------------------------------------------- instructions


@pytest.mark.parametrize(
    ("text", "score", "expected"),
    [
        ("怎样做饭", 0.5, None),
        ("做", 0.9, "instruction_length"),
        ("", 0.9, "instruction_length"),
        ("长" * 300, 0.9, None),
        ("长" * 301, 0.9, "instruction_length"),
        ("如图所示求面积", 0.9, "instruction_words"),
        ("怎样做饭", 0.4999, "low_score"),
        ("怎样做饭", 0.0, "low_score"),
        ("如图所示求面积", 0.0, "instruction_words"),
    ],
)
def test_an_instruction_stays_or_has_a_reason(text, score, expected):
    found = InstructionRules(Instructions(), 0.5).reason_to_drop(text, score)
    assert (found and found[0]) == expected


def test_without_a_threshold_no_score_drops_an_instruction():
    assert InstructionRules(Instructions(), None).reason_to_drop("怎样做饭", 0.0) is None


def test_a_threshold_of_zero_drops_nothing_and_of_one_all_but_certainty():
    assert InstructionRules(Instructions(), 0.0).reason_to_drop("怎样做饭", 0.0) is None
    assert InstructionRules(Instructions(), 1.0).reason_to_drop("怎样做饭", 0.999999)[0] == "low_score"
