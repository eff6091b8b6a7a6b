"""What is dropped, for which reason, and who owns a text that occurs twice."""

import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from kun.books.tables import TableWriter
from kun.selection.answers import AnswerRules, repeated_share
from kun.selection.cut import ForeignCut, read_cut
from kun.selection.duplicates import find_duplicates
from kun.selection.instructions import InstructionRules
from kun.selection.phrases import ANSWERS, INSTRUCTIONS, compiled, first_hit
from kun.selection.primary import reason_to_drop
from kun.settings.roles import Answers, Instructions
from kun.settings.selection import Primary

# --------------------------------------------------------------------------------------------------------------- primary

FINE = {"characters": 100, "tokens": 60, "han_share": 0.9, "perplexity": 50.0}


def reason(duplicate_of=None, **signals) -> str | None:
    found = reason_to_drop(FINE | signals, Primary(), 100.0, duplicate_of)
    return found and found[0]


@pytest.mark.parametrize(
    "signals",
    [{}, {"characters": 20}, {"tokens": 512}, {"han_share": 0.5}, {"perplexity": 100.0}, {"tokens": 0, "perplexity": 1.0}],
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
        ({"perplexity": 100.01}, "high_perplexity"),
        ({"perplexity": float("inf")}, "high_perplexity"),
        ({"perplexity": None}, "high_perplexity"),
    ],
)
def test_a_document_beyond_a_limit_has_that_reason(signals, expected):
    assert reason(**signals) == expected


def test_a_copy_is_dropped_and_names_its_owner():
    assert reason_to_drop(FINE, Primary(), 100.0, "wudao:p.json[3]") == ("duplicate", "of wudao:p.json[3]")


def test_the_first_reason_that_applies_is_given():
    order = {"characters": 1, "tokens": 999, "han_share": 0.0, "perplexity": 999.0}
    expected = ["too_short", "too_long", "not_chinese", "high_perplexity", "duplicate"]
    for start, name in enumerate(expected):
        assert reason("x:y", **dict(list(order.items())[start:])) == name


# ------------------------------------------------------------------------------------------------------------ duplicates


class Shards:
    """Shards of single-letter texts, as find_duplicates takes them."""

    def __init__(self, folder: Path):
        self.folder = folder

    def make(self, **texts: str) -> list[tuple[str, Path, Path]]:
        made = []
        for shard, letters in texts.items():
            signals, documents = self.folder / f"{shard}.signals", self.folder / f"{shard}.documents"
            pl.DataFrame(
                {"fingerprint": [letter.encode().hex() for letter in letters]}, schema={"fingerprint": pl.String}
            ).write_parquet(signals)
            locators = [f"{shard}.jsonl@{number}+1" for number in range(len(letters))]
            pl.DataFrame({"locator": locators}, schema={"locator": pl.String}).write_parquet(documents)
            made.append((f"src/{shard}", signals, documents))
        return made

    def copies(self, **texts: str) -> list[tuple[str, int, str]]:
        return find_duplicates(self.make(**texts)).rows()


@pytest.fixture
def shards(tmp_path) -> Shards:
    return Shards(tmp_path)


def test_the_first_in_plan_order_owns_a_text(shards):
    assert shards.copies(a="xy", b="zx", c="xz") == [
        ("src/b", 1, "src:a.jsonl@0+1"),
        ("src/c", 0, "src:a.jsonl@0+1"),
        ("src/c", 1, "src:b.jsonl@0+1"),
    ]


def test_plan_order_counts_not_the_names_order(shards):
    assert shards.copies(z="wx", a="x") == [("src/a", 0, "src:z.jsonl@1+1")]


def test_copies_inside_a_shard_are_found(shards):
    assert shards.copies(a="xxyx") == [("src/a", 1, "src:a.jsonl@0+1"), ("src/a", 3, "src:a.jsonl@0+1")]


def test_a_later_shard_changes_nothing_in_earlier_ones(shards):
    before = shards.copies(a="xyx", b="zy")
    after = shards.copies(a="xyx", b="zy", c="xyzzy")
    assert after[: len(before)] == before
    assert {row[0] for row in after[len(before) :]} == {"src/c"}


@pytest.mark.parametrize("texts", [{"a": ""}, {"a": "", "b": ""}, {"a": "xyz"}, {"a": "x", "b": "", "c": "y"}])
def test_no_copies_is_an_empty_table(shards, texts):
    assert shards.copies(**texts) == []


def test_empty_shards_do_not_shift_the_others(shards):
    assert shards.copies(a="", b="x", c="", d="x") == [("src/d", 0, "src:b.jsonl@0+1")]


def test_many_shards_have_each_text_owned_once_by_its_first(shards):
    letters = {f"s{number:02d}": "".join(chr(0x4E00 + (number * place) % 37) for place in range(50)) for number in range(12)}
    first: dict[str, str] = {}
    expected = []
    for shard, texts in letters.items():
        for number, text in enumerate(texts):
            owner = first.setdefault(text, f"src:{shard}.jsonl@{number}+1")
            if owner != f"src:{shard}.jsonl@{number}+1":
                expected.append((f"src/{shard}", number, owner))
    assert shards.copies(**letters) == expected


# --------------------------------------------------------------------------------------------------------------- phrases


def hits(preset: dict, name: str, text: str) -> bool:
    return first_hit(text, compiled(preset[name])) is not None


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
    ["作为一个人工智能，我没有感情。", "我是一款由公司开发的语言模型", "很抱歉，我不知道。", "上述内容中提到三点", "以上仅供参考"],
)
def test_an_assistant_that_shows_through_is_hit(text):
    assert hits(ANSWERS, "precise", text)


def test_the_published_words_are_text_not_patterns():
    assert first_hit("x", compiled(("a.c",))) is None
    assert first_hit("见abc", compiled(ANSWERS["none"])) is None
    assert first_hit("抱歉，作为", compiled(ANSWERS["kun"])) == ("作为", "作为")  # the list's first, not the text's first


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


# --------------------------------------------------------------------------------------------------------------- answers

ANSWER = "先把米洗干净，加水没过米一指，大火烧开后转小火焖二十分钟。"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (ANSWER, None),
        ("好", "answer_short"),
        ("", "answer_short"),
        ("怎样才能做好一锅米饭呢请一步一步地说明", "answer_short"),
        ("怎样才能做好一锅米饭呢？ 请一步一步地说明！", "answer_echo"),
        ("哈" * 30, "answer_repetition"),
        (ANSWER * 2, "answer_repetition"),
        (ANSWER + "以上仅供参考", "answer_words"),
    ],
)
def test_an_answer_stays_or_has_a_reason(answer, expected):
    found = AnswerRules(Answers()).reason_to_drop("怎样才能做好一锅米饭呢，请一步一步地说明。", answer)
    assert (found and found[0]) == expected


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("", 0),
        ("一二三四五六七", 0),
        ("一二三四五六七八", 0),
        ("哈" * 9, 0.5),
        ("哈" * 17, 0.9),
        ("一二三四五六七八九十", 0),
        ("😀" * 9, 0.5),
    ],
)
def test_repeated_share_counts_grams_that_occurred_before(text, share):
    assert repeated_share(text) == pytest.approx(share)


def test_a_cut_of_values_under_another_identity_is_refused_and_names_both(tmp_path):
    table, calibration = tmp_path / "a.parquet", tmp_path / "perplexity.json"
    TableWriter(table, pa.schema([("perplexity", pa.float32())]), {"perplexity": "字符:新"}).close()
    calibration.write_text(json.dumps({"cut": 80.0, "identity": "字符:新"}), encoding="utf-8")
    assert read_cut(calibration, table, "perplexity") == (80.0, "字符:新")
    calibration.write_text(json.dumps({"cut": 80.0, "identity": "字符:旧"}), encoding="utf-8")
    with pytest.raises(ForeignCut, match=r"字符:旧.*字符:新"):
        read_cut(calibration, table, "perplexity")
