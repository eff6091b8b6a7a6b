"""What is measured on answers, and what is decided by it."""

import json
import re
import subprocess
import sys
import tracemalloc
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kun.books.ledger import Ledger
from kun.books.stage import dropped_path, ledger_path
from kun.books.tables import TableWriter, read_rows
from kun.report.checks import read_checks
from kun.roles.columns import ANSWER, PAIR, POLISHED, SCORED
from kun.selection.answers import CONSIDERED, considered, counted, reason_to_drop
from kun.selection.phrases import ANSWERS, INSTRUCTIONS
from kun.settings.roles import Answers
from kun.signals import answer_tails
from kun.signals import new_items as new_items_module
from kun.signals.answer_signals import answer_columns, echo_shares
from kun.signals.answer_tails import parted
from kun.signals.forms import codes_of
from kun.signals.language import language_model
from kun.signals.loops import LONGEST_UNIT, TIMES, longest_loops
from kun.signals.new_items import chinese_number, new_items
from kun.signals.overlap import COPIED_GRAM, copied_shares, folded, related_shares

RICE = "先把米洗干净，加水没过米一指，大火烧开后转小火焖二十分钟。关火以后再焖十分钟，米饭会更松软。"
HOSTILE = [
    "\0",
    "哈",
    "😀",
    "a",
    "ab",
    "1,",
    "1,111",
    "二",
    "百",
    "３",
    "，",
    "\n",
    "1.\n",
    " ",
    "希望",
    "如果您有",
    "作为一个",
    "我是一个AI",
    "臺灣體",
    "x\u0301\u0327",
    "。",
]


@pytest.fixture(scope="module")
def model():
    return language_model()


def loop(text: str) -> int:
    return int(longest_loops(codes_of([text]))[0])


# ----------------------------------------------------------------------------------------------------------------- loops


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("哈", 0),
        ("哈哈", 0),
        ("哈哈哈", 3),
        ("好吃好吃好吃好", 7),
        (RICE, 0),
        (RICE + "谢谢大家。" * 8, 41),
        (RICE + "谢谢大家。" * 8 + RICE, 41),
        ("谢谢大家。\n" * 8 + RICE, 48),
        ("😀" * 30, 30),
        ("👍🏽" * 10, 20),
        ("ＡＢ" * 5, 10),
        ("繁體" * 5, 10),
        ("……" * 40, 0),
        ("————" * 30, 0),
        ("1000000000", 0),
        ("3.33333333333", 0),
        ("| --- | --- | --- | --- |", 0),
        ("═" * 80 + "\n" + "=" * 80 + "\u3000" * 50, 0),
        ("\0" * 50, 0),
        ("１" * 50, 0),
        ("一" * LONGEST_UNIT * 2, 2 * LONGEST_UNIT),
    ],
)
def test_a_loop_is_found_wherever_it_is(text, length):
    assert loop(text) == length


def test_a_unit_may_be_as_long_as_is_looked_for_and_no_longer():
    unit = "".join(map(chr, range(0x4E00, 0x4E00 + LONGEST_UNIT)))
    assert loop(RICE + unit * 3) == 3 * LONGEST_UNIT
    assert loop(RICE + (unit + "龥") * 3) == 0


def slow_loop(text: str) -> int:
    """By the definition: every unit at every place."""
    longest = 0
    for start in range(len(text)):
        for size in range(1, LONGEST_UNIT + 1):
            unit = text[start : start + size]
            if len(unit) < size or not any(sign.isalpha() or ord(sign) >= 0x1F000 for sign in unit):
                continue
            end = start + size
            while end < len(text) and text[end] == text[end - size]:
                end += 1
            if end - start >= TIMES * size:
                longest = max(longest, end - start)
    return longest


FEW = st.text(alphabet="ab哈1.。😀\n\0", max_size=40)


@settings(max_examples=200, deadline=None)
@given(st.lists(FEW, max_size=5))
@example(["哈哈", "哈哈", "哈"])  # no loop runs over a border
@example(["", "", "哈哈哈", ""])
def test_loops_are_those_of_the_definition_text_by_text(texts):
    assert longest_loops(codes_of(texts)).tolist() == [slow_loop(text) for text in texts]


# --------------------------------------------------------------------------------------------------------------- overlap


def copied(answer: str, text: str) -> float:
    return float(copied_shares(folded(codes_of([answer])), folded(codes_of([text])))[0])


def related(answer: str, text: str) -> float | None:
    return related_shares(folded(codes_of([answer])), folded(codes_of([text])))[0]


def test_copied_outright_is_one_and_unrelated_is_nothing():
    assert copied(RICE, RICE) == 1 and related(RICE, RICE) == 1
    other = "故宫位于北京中轴线的中心，是明清两代的皇家宫殿。"
    assert copied(RICE, other) == 0 and related(RICE, other) == 0


def test_a_copy_is_one_in_any_script_width_case_and_punctuation():
    assert copied("臺灣的米飯講究鬆軟，ABC 與 123 都是記號！", "台湾的米饭讲究松软abc与１２３都是记号") == 1
    assert related("臺灣的米飯講究鬆軟", "台湾的米饭讲究松软") == 1


def test_half_a_copy_is_a_half():
    new = "今天没有下雨所以我们决定出门散步顺便去市场买些新鲜蔬菜回来"
    old = "先把米洗干净加水没过米一指大火烧开后转小火焖二十分钟再关火"
    assert len(new) == len(old) and copied(old + new, RICE.replace("。", "") + old) == pytest.approx(0.5)


def test_what_is_shorter_than_a_copied_stretch_is_none():
    assert copied(RICE[: COPIED_GRAM - 1], RICE) == 0


@pytest.mark.parametrize("text", ["", "hello world", "123456", "米", "\0\0", "😀😀"])
def test_without_two_han_characters_side_by_side_nothing_is_said_of_the_relation(text):
    assert related(text, RICE) is None and 0 <= copied(text, RICE) <= 1


def slow_copied(answer: str, text: str) -> float:
    answer, text = (folded(codes_of([one])).texts()[0] for one in (answer, text))
    covered = set()
    for start in range(len(answer) - COPIED_GRAM + 1):
        if answer[start : start + COPIED_GRAM] in text:
            covered |= set(range(start, start + COPIED_GRAM))
    return len(covered) / len(answer) if answer else 0.0


def slow_related(answer: str, text: str) -> float | None:
    answer, text = (folded(codes_of([one])).texts()[0] for one in (answer, text))
    han = re.compile("[\u3400-\u9fff]{2}")
    pairs = [answer[place : place + 2] for place in range(len(answer) - 1) if han.fullmatch(answer[place : place + 2])]
    return sum(pair in text for pair in pairs) / len(pairs) if pairs else None


PAIRS = st.lists(st.tuples(*[st.text(alphabet="米饭a。", max_size=60)] * 2), max_size=4)


@settings(max_examples=200, deadline=None)
@given(PAIRS)
@example([("米" * 20, ""), ("饭" * 20, "米" * 20), ("", "饭" * 20)])  # none is compared with its neighbour's text
def test_overlap_is_that_of_the_definition_pair_by_pair(pairs):
    answers, texts = (folded(codes_of([pair[side] for pair in pairs])) for side in (0, 1))
    assert copied_shares(answers, texts).tolist() == pytest.approx([slow_copied(*pair) for pair in pairs])
    assert related_shares(answers, texts) == [slow_related(*pair) for pair in pairs]


def test_an_echo_is_measured_from_the_beginning():
    asked = "怎样才能做好一锅米饭呢？"
    answers = ["怎样才能做好一锅米饭呢", "怎样，才能做好一锅米饭呢！！", asked + RICE, RICE, ""]
    shares = echo_shares(folded(codes_of(answers)), folded(codes_of([asked] * 5)))
    assert shares[:2] == [1, 1] and 0 < shares[2] < 0.3 and shares[3:] == [0, 0]


# --------------------------------------------------------------------------------------------------------- new statements


@pytest.mark.parametrize(
    ("answer", "known", "new"),
    [
        ("共有３０人", "三十人参加", []),
        ("共有三十人", "共30人", []),
        ("二〇二一年", "２０２１年", []),
        ("2021年", "二零二一年", []),
        ("人口1,000万", "人口一千万", []),
        ("人口1,000", "1000 人", []),
        ("长3.50米", "3.5米", []),
        ("35000元", "3.5万元", []),
        ("1,234,5678", "", ["1234", "5678"]),
        ("1234,567", "", ["1234", "567"]),
        ("3.5万元", "35000元", []),
        ("两千零五年", "2005年", []),
        ("3个步骤", "三个步骤", []),
        ("007号", "7号", []),
        ("一个人，万一下雨，千万小心，一一说明，三四百人", "", []),
        ("1. 洗米\n2、加水\n（3）焖\n  4) 盛\n第5步：吃\n十一、完\n### 12. 附", "", []),
        ("做法如下：1. 洗米。2. 加水；3、焖。", "", []),
        ("1.5升水", "", ["1.5"]),
        ("12:30开饭", "", ["12", "30"]),
        ("2019年有50%，2019年又有五十人，共１２３人", "", ["2019", "50", "123"]),
        ("OpenAI和openai以及Ｔｅｓｌａ，A组，café", "由ＯＰＥＮＡＩ公司", ["Tesla", "café"]),
        ("iPhone15 有 8 GB", "iphone15", ["8", "GB"]),
        ("\0７\0😀x\u0301", "", ["7"]),
        ("", "", []),
    ],
)
def test_numbers_are_new_by_value_and_names_by_letters(answer, known, new):
    assert new_items(answer, known) == new


def test_what_the_instruction_says_is_known():
    assert new_items("从2020年到2022年的Python", "2020年", "讲讲 python") == ["2022"]


def in_chinese(number: int) -> str:
    """A number as it is read, by sections of four digits."""
    digits, units, sections = "零一二三四五六七八九", ("", "十", "百", "千"), ("", "万", "亿")
    if not number:
        return "零"
    words, gap = "", False
    for section in reversed(range(3)):
        part = number // 10 ** (4 * section) % 10_000
        for place in reversed(range(4)):
            digit = part // 10**place % 10
            if digit:
                words += ("零" if gap and words else "") + digits[digit] + units[place]
            gap = not digit
        words += sections[section] if part else ""
    return words.removeprefix("一") if words.startswith("一十") else words


@settings(max_examples=500)
@given(st.integers(0, 10**12 - 1) | st.integers(0, 20_000))
@example(10).via("十 alone")
@example(100_000)
@example(10_0000_0001)
def test_a_number_as_it_is_read_has_its_value(number):
    assert chinese_number(in_chinese(number)) == str(number)


@pytest.mark.parametrize("text", ["万一", "千万", "百", "一一", "三四百", "两两两两", "十十", "百千", "二" * 30, "十" * 30])
def test_what_is_no_number_has_no_value(text):
    assert chinese_number(text) is None


# ----------------------------------------------------------------------------------------------------------------- tails


@pytest.mark.parametrize(
    "tail",
    [
        "以上信息可能已经过时，请咨询专业人士。",
        "请以官方最新信息为准。",
        "希望以上回答对您有帮助",
        "希望这些建议能对你有所帮助！",
        "（以上内容仅供参考。）",
        "如果您还有其他问题，请随时告诉我。",
        "希望能帮到您！如果您有任何进一步的问题，请告诉我。",
        "注意：以上信息仅供参考，具体情况请咨询专业医生。",
        "请注意，以上信息可能会随时间变化。建议查阅官方最新资料。",
        "我很乐意为您解答。😊",
    ],
)
@pytest.mark.parametrize("between", ["", "\n", "\n\n"])
def test_a_hedging_tail_is_parted_from_its_answer(tail, between):
    assert parted(RICE + between + tail, "怎样做米饭？") == (RICE, tail)


@pytest.mark.parametrize(
    "text",
    [
        RICE,
        RICE + "如果症状持续，请及时就医。",
        RICE + "希望明年的产量能够提高。",
        RICE + "希望以上回答对您有帮助。" + RICE,
        RICE + "如果米放了很久，以上水量仅供参考。",
        RICE + "请以包装上的说明为准。",
        RICE + "建议咨询米店的老板。",
        "希望以上回答对您有帮助。",
        "希望以上回答对您有帮助。如果您还有其他问题，请随时告诉我。",
        "！！！希望以上回答对您有帮助。",
        "",
        "\0",
    ],
)
def test_other_last_sentences_stay(text):
    assert parted(text, "怎样做米饭？") == (text, "")


@pytest.mark.parametrize("instruction", ["米有问题应该向谁咨询？", "哪里可以查到官方信息？", "替客服写一段回复", "给老师写一封信"])
def test_an_instruction_that_asks_for_such_sentences_keeps_them(instruction):
    text = RICE + "请以官方最新信息为准。"
    assert parted(text, instruction) == (text, "")


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from([RICE, "希望以上回答对您有帮助。", "仅供参考", "。", "\n", "！", "请告诉我", "，", "米", " ", "）"]),
        max_size=12,
    )
)
def test_a_tail_is_whole_sentences_at_the_end_and_never_all(parts):
    text = "".join(parts)
    body, tail = parted(text, "")
    assert text.startswith(body) and text.rstrip().endswith(tail)
    assert re.sub(r"\s", "", body + tail) == re.sub(r"\s", "", text)
    if tail:
        gap = text[len(body) : len(text.rstrip()) - len(tail)]
        assert any(map(str.isalnum, body)) and (body[-1] in "。！）" or "\n" in gap) and not gap.strip()


# -------------------------------------------------------------------------------------------------------- linear in time


def repeats(node: object) -> list[int]:
    """The upper bounds of all repetitions in a parsed pattern."""
    found: list[int] = []
    for part in node:
        if isinstance(part, tuple) and str(part[0]) in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            found.append(int(part[1][1]))
        if isinstance(part, tuple | list | re._parser.SubPattern):
            found += repeats(part)
    return found


NAMED = [
    (f"{name} {preset} {rule}", pattern)
    for name, presets in (("instructions", INSTRUCTIONS), ("answers", ANSWERS))
    for preset, rules in presets.items()
    for rule, pattern in rules.items()
]


@pytest.mark.parametrize(("name", "pattern"), NAMED, ids=[name for name, _ in NAMED])
def test_no_rule_can_take_more_than_a_bounded_look_at_each_place(name, pattern):
    assert all(most <= 50 for most in repeats(re._parser.parse(pattern))), name


def test_what_may_be_long_in_a_number_or_a_name_is_never_looked_at_twice():
    assert all(most <= 50 for most in repeats(re._parser.parse(new_items_module._MARKER.pattern)))
    assert all(most <= 50 for most in repeats(re._parser.parse(re.sub(r"[+*]\+", "?", new_items_module._ITEM.pattern))))


def test_the_look_at_repeats_sees_them():
    assert repeats(re._parser.parse(r"(?:a{2,3}|(b+?)(?!c*))")) == [3, int(re._constants.MAXREPEAT), int(re._constants.MAXREPEAT)]


def work(function, *arguments) -> tuple[int, int]:
    """(calls made, Python's and C's; peak of memory in bytes): what takes time other than arrays' own length, and that length."""
    calls = 0

    def count(*_):
        nonlocal calls
        calls += 1

    function(*arguments)  # tables are made once
    tracemalloc.start()
    function(*arguments)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    sys.setprofile(count)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
    return calls, peak


@pytest.mark.parametrize("unit", HOSTILE)
def test_ten_times_the_text_is_ten_times_the_work(model, unit):
    def columns(size: int) -> dict:
        text = unit * (size // len(unit))
        return answer_columns(model, [text], [text[:300]], [text])

    (calls, peak), (more_calls, more_peak) = work(columns, 10_000), work(columns, 100_000)
    assert more_calls <= 10.5 * calls and more_peak <= 10.5 * peak + 1e6


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_tail_is_looked_for_in_the_last_characters_alone(unit, monkeypatch):
    seen = []
    monkeypatch.setattr(answer_tails, "_is_talk", lambda sentence: seen.append(sentence) or True)
    text = unit * (100_000 // len(unit))
    parted(text, "")
    assert sum(map(len, seen)) <= answer_tails._MOST * answer_tails._LONGEST


# --------------------------------------------------------------------------------------------------------------- columns


def test_the_columns_are_those_of_a_pair_and_travel_at_its_end(model):
    columns = answer_columns(model, [RICE], ["怎样做饭？"], [RICE])
    assert {*columns, "answer_rules"} - {"answer_body"} == set(ANSWER.names)
    assert PAIR.names[-len(ANSWER) :] == ANSWER.names


def test_no_answer_is_no_row(model):
    assert set(map(len, answer_columns(model, [], [], []).values())) == {0}


def test_an_answer_is_measured_without_its_tail(model):
    columns = answer_columns(model, [RICE] * 2, ["怎样做饭？"] * 2, [RICE + "希望以上回答对您有帮助。", RICE])
    assert columns.pop("answer_tail") == ["希望以上回答对您有帮助。", ""]
    assert all(values[0] == values[1] for values in columns.values())
    assert columns["answer_copied"] == [1, 1] and columns["answer_ratio"] == [1, 1]


def test_an_answers_values_do_not_depend_on_its_neighbours(model):
    answers = [RICE, "", "hello 123", "哈" * 50, "臺灣😀\0", RICE + "请告诉我。", *(unit * 99 for unit in HOSTILE)]
    texts, asked = answers[1:] + answers[:1], ["问"] * len(answers)
    together = answer_columns(model, texts, asked, answers)
    for number, (text, answer) in enumerate(zip(texts, answers, strict=True)):
        alone = answer_columns(model, [text], ["问"], [answer])
        assert {name: values[0] for name, values in alone.items()} == {name: values[number] for name, values in together.items()}


# ------------------------------------------------------------------------------------------------------------- decisions

FINE = {
    "answer_characters": 100,
    "answer_ratio": 1.0,
    "answer_han_share": 0.9,
    "answer_language": "zh",
    "answer_repetition": 0.0,
    "answer_loop": 0,
    "answer_echo": 0.0,
    "answer_copied": 1.0,
    "answer_related": 1.0,
    "answer_new": "2021 WTO",
    "answer_new_count": 2,
    "answer_rules": "",
    "answer_tail": "",
}


@pytest.mark.parametrize(
    ("changed", "chosen", "reason"),
    [
        ({}, {}, None),
        ({"answer_characters": 19}, {}, "answer_short"),
        ({"answer_characters": 19}, {"min_characters": 19}, None),
        ({"answer_echo": 0.96}, {}, "answer_echo"),
        ({"answer_ratio": 0.019}, {}, "answer_ratio"),
        ({"answer_ratio": 10.1}, {}, "answer_ratio"),
        ({"answer_ratio": 10.1}, {"max_ratio": 11}, None),
        ({"answer_han_share": 0.19}, {}, "answer_language"),
        ({"answer_language": "ja"}, {}, None),
        ({"answer_language": "ja"}, {"languages": ["zh"]}, "answer_language"),
        ({"answer_loop": 30}, {}, None),
        ({"answer_loop": 31}, {}, "answer_loop"),
        ({"answer_repetition": 0.41}, {}, "answer_repetition"),
        ({"answer_rules": "kun:作为"}, {}, None),
        ({"answer_rules": "kun:作为"}, {"rules": "kun"}, "answer_words"),
        ({"answer_rules": "kun:作为 precise:identity"}, {}, "answer_words"),
        ({"answer_rules": "kun:作为 precise:identity"}, {"rules": "none"}, None),
        ({"answer_related": 0.019}, {}, "answer_unrelated"),
        ({"answer_related": 0.0}, {"min_related": 0}, None),
        ({"answer_related": None}, {"min_related": 1}, None),
        ({}, {"max_copied": 0.9}, "answer_copied"),
        ({}, {"max_new": 1}, "answer_new"),
        ({}, {"max_new": 2}, None),
    ],
)
def test_an_answer_stays_or_has_a_reason_by_its_columns_alone(changed, chosen, reason):
    found = reason_to_drop(FINE | changed, Answers(**chosen))
    assert (found and found[0]) == reason


def test_the_detail_names_what_decided():
    assert reason_to_drop(FINE, Answers(max_new=1)) == ("answer_new", "2021 WTO")
    assert reason_to_drop(FINE | {"answer_rules": "kun:抱歉 precise:cannot precise:apology"}, Answers())[1] == "cannot, apology"


def test_no_answer_can_be_both_longer_and_shorter():
    with pytest.raises(ValueError, match="min_ratio"):
        Answers(min_ratio=2, max_ratio=1)


def test_what_is_considered_is_what_such_a_threshold_would_drop():
    rows = [FINE, FINE | {"answer_related": 0.07, "answer_copied": 0.6, "answer_loop": 50}, FINE | {"answer_related": None}]
    for row in rows:
        for setting, values in CONSIDERED.items():
            for value in values:
                alone = {"min_related": 0, setting: value} if setting != "max_loop" else {setting: value}
                drops = reason_to_drop(row | ({"answer_loop": 0} if setting != "max_loop" else {}), Answers(**alone)) is not None
                assert ((setting, f"{value:g}") in considered(row)) == drops, (setting, value)
    assert counted(Counter())["max_new"] == {"0": 0, "1": 0, "3": 0, "10": 0}


# ----------------------------------------------------------------------------------------------------------- the program

ASKED = "怎样才能做好一锅米饭？"
OUTPUTS = {
    "copied": RICE,
    "tail": "米洗净后加水没过一指，大火烧开，小火焖二十分钟，关火再焖十分钟。希望以上回答对您有帮助！",
    "loop": "米洗净以后加水，大火烧开，转小火焖二十分钟，米饭就好了。" * 2 + "谢谢大家。" * 9,
    "robot": "作为一个人工智能，我没有味觉，不过米饭要先洗米，再加水，大火烧开后小火焖二十分钟。",
    "other": "故宫位于北京中轴线的中心，是明清两代的皇家宫殿，1925年起为博物院。",
    "short": "焖二十分钟。",
    "everyday": "根据米的多少加水，作为主食，米饭要大火烧开后转小火焖二十分钟，再焖十分钟更松软。",
}


def checked(folder, **chosen) -> tuple[list[dict], list[dict], dict]:
    folder.mkdir(exist_ok=True)
    empty = {field.name: 0 if pa.types.is_integer(field.type) or pa.types.is_floating(field.type) else "" for field in POLISHED}
    table = TableWriter(folder / "polished.parquet", POLISHED)
    for name, output in OUTPUTS.items():
        table.add(empty | {"id": name, "text": RICE, "instruction": ASKED, "output": output, "output_raw": output})
    table.close()
    command = [sys.executable, "workflow_scripts/check_answers.py", "--records", folder / "polished.parquet"]
    subprocess.run([*command, "--settings", json.dumps(chosen), "--output", folder / "pairs.parquet"], check=True)
    ledger = Ledger.read(ledger_path(folder / "pairs.parquet"))
    dropped = read_rows(dropped_path(folder / "pairs.parquet"))
    return list(read_rows(folder / "pairs.parquet")), list(dropped), ledger.model_dump(by_alias=True)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return checked(tmp_path_factory.mktemp("checked"))


def test_every_answer_is_kept_or_has_its_reason(done):
    kept, dropped, ledger = done
    assert [row["id"] for row in kept] == ["copied", "tail", "everyday"]
    assert {row["id"]: row["reason"] for row in dropped} == {
        "loop": "answer_loop",
        "robot": "answer_words",
        "other": "answer_unrelated",
        "short": "answer_short",
    }
    assert ledger["in"] == 7 and ledger["kept"] == 3


def test_what_was_measured_travels_with_kept_and_dropped_alike(done):
    kept, dropped, _ = done
    for row in [*kept, *(json.loads(row["record"]) for row in dropped)]:
        assert set(ANSWER.names) <= row.keys() and row["output_raw"] == OUTPUTS[row["id"]]
    records = {row["id"]: json.loads(row["record"]) for row in dropped}
    assert records["other"]["answer_new"] == "1925" and records["other"]["answer_related"] == 0
    assert records["robot"]["answer_rules"] == "kun:作为 precise:self_reference"
    assert records["loop"]["answer_loop"] == 46


def test_a_tail_is_off_the_output_and_in_its_column(done, tmp_path):
    row = next(row for row in done[0] if row["id"] == "tail")
    assert row["output"] + row["answer_tail"] == row["output_raw"] and row["answer_tail"] == "希望以上回答对您有帮助！"
    left = next(row for row in checked(tmp_path / "left", strip_tail=False)[0] if row["id"] == "tail")
    assert left["output"] == left["output_raw"] and left | {"output": ""} == row | {"output": ""}


def test_the_notes_count_every_record_and_every_rule(done):
    notes = done[2]["notes"]
    assert notes["preset"] == "precise" and notes["tails"] == 1 and notes["with_new"] == 1
    assert notes["rules"]["kun"] == {"作为": 2, "根据": 1, "知识库": 0, "2023": 0, "抱歉": 0}
    assert notes["rules"]["precise"] == dict.fromkeys(ANSWERS["precise"], 0) | {"self_reference": 1}
    assert notes["would_drop"]["max_copied"]["0.95"] == 1 and notes["would_drop"]["max_new"]["0"] == 1
    assert notes["would_drop"]["min_related"]["0.05"] == 1


def test_a_moved_threshold_changes_no_value(done, tmp_path):
    def values(found):
        return {row["id"]: row for row in [*found[0], *(json.loads(row["record"]) for row in found[1])]}

    moved = checked(tmp_path / "moved", max_copied=0.5, max_loop=1000, rules="kun", min_related=0)
    assert [row["id"] for row in moved[0]] == ["tail", "other"]
    assert moved[2]["dropped"] == {"answer_copied": 1, "answer_repetition": 1, "answer_short": 1, "answer_words": 2}
    for name, row in values(done).items():
        other = values(moved)[name]
        assert all(
            np.isclose(row[column], other[column]) if isinstance(row[column], float) else row[column] == other[column]
            for column in row
        )
    assert {**moved[2]["notes"], "preset": ""} == {**done[2]["notes"], "preset": ""}


def test_instructions_hits_are_counted_of_all_records_and_presets(tmp_path):
    numbers = (pa.types.is_integer, pa.types.is_floating)
    empty = {field.name: 0 if any(is_one(field.type) for is_one in numbers) else "" for field in SCORED}
    table = TableWriter(tmp_path / "scored.parquet", SCORED, {"score": "model"})
    for text, score in (
        ("怎样做饭", 0.9),
        ("写一段新闻", 0.9),
        ("看", 0.9),
        ("概括上述新闻：根据材料回答", 0.1),
        ("新闻里的材料", 0.1),
    ):
        candidates = {"candidates": [text], "candidates_raw": [text], "candidate_scores": [score], "candidate_outside": [0.1]}
        table.add(empty | {"id": text, "score": score} | candidates)
    table.close()
    made = {"column": "score", "identity": "model", "cuts": {"*": {"low": 0.5, "high": None}}}
    (tmp_path / "score.json").write_text(json.dumps(made))
    command = [
        sys.executable,
        "workflow_scripts/select_instructions.py",
        "--records",
        tmp_path / "scored.parquet",
        "--settings",
        "{}",
    ]
    subprocess.run([*command, "--calibration", tmp_path / "score.json", "--output", tmp_path / "curated.parquet"], check=True)
    ledger = Ledger.read(ledger_path(tmp_path / "curated.parquet"))
    assert ledger.dropped == {"instruction_length": 1, "instruction_words": 1, "low_score": 1}
    assert ledger.notes["preset"] == "precise" and ledger.notes["least_score"] == 0.5
    assert {rule: hits for rule, hits in ledger.notes["rules"]["kun"].items() if hits} == {"新闻": 3, "材料": 2, "根据": 1}
    precise = {rule: hits for rule, hits in ledger.notes["rules"]["precise"].items() if hits}
    assert precise == {"refers_to_material": 1, "asks_to_read": 1}, "of a record all hits count, not the first alone"


# ---------------------------------------------------------------------------------------------------------- in the report


def test_the_report_adds_up_the_shards(tmp_path):
    notes = {"preset": "precise", "rules": {"kun": {"作为": 1, "根据": 5}, "precise": {"cannot": 0}}}
    for folder, extra in (("curated", {}), ("pairs", {"tails": 2, "with_new": 3, "would_drop": {"max_new": {"0": 3, "1": 0}}})):
        for shard in ("a/0", "a/1"):
            path = ledger_path(tmp_path / folder / f"{shard}.parquet")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(Ledger(stage=folder, came_in=10, kept=10, notes=notes | extra).to_json())
    instructions, answers = read_checks(tmp_path, ["a/0", "a/1"])
    assert (instructions.title, instructions.came_in, instructions.preset) == ("instructions", 20, "precise")
    assert list(instructions.rules["kun"].items()) == [("根据", 10), ("作为", 2)] and instructions.would_drop == {}
    assert answers.would_drop == {"max_new": {"0": 6, "1": 0}} and (answers.tails, answers.with_new) == (4, 6)
