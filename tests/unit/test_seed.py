"""Seed pairs: every published format, what is refused and why, a split that stays and that no copy straddles, and the page about them."""

import gzip
import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from backports import zstd

from kun.books.ledger import Ledger
from kun.books.stage import dropped_path, ledger_path
from kun.books.tables import read_rows
from kun.corpus.locators import read_record
from kun.report.seed_survey import survey
from kun.settings.selection import Decontamination
from kun.settings.training import Seed
from kun.training.seed import SCHEMA, reason_to_drop, to_pair, with_han_share
from kun.training.seed_files import NoSeedFile
from kun.training.turns import BadPair, Turn, format_of, turns_of
from kun.training.wrappers import left_of_template, unwrapped
from prepare_seed import prepare

ASKED, ANSWERED = "写一首关于春天的诗", "春眠不觉晓，处处闻啼鸟。"
ASKED_NEXT, ANSWERED_NEXT = "介绍一下黄山的云海", "黄山云海以雨后初晴时最为壮观。"
GOOD = {"instruction": ASKED, "output": ANSWERED}


class Prepared:
    """What prepare_seed made of some files; the books balance, or this cannot be made."""

    def __init__(self, output: Path):
        self.ledger = Ledger.read(ledger_path(output))
        self.kept = list(read_rows(output))
        self.dropped = [row | {"record": json.loads(row["record"])} for row in read_rows(dropped_path(output))]
        self.pairs = [(row["instruction"], row["output"]) for row in self.kept]
        self.reasons = Counter(row["reason"] for row in self.dropped)
        assert self.ledger.kept == len(self.kept) and self.ledger.came_in == len(self.kept) + len(self.dropped)


@pytest.fixture
def prepared(tmp_path: Path):
    """The library's part of prepare_seed, on files given by name: bytes, or records for lines of JSON."""

    def run(benchmarks: list[str] = (), limit: int = 2_000_000, settings: dict | None = None, **files: bytes | list) -> Prepared:
        names = []
        for name, content in files.items():
            path = tmp_path / name.replace("__", ".")
            if isinstance(content, list):
                content = b"\n".join(json.dumps(record, ensure_ascii=False).encode() for record in content)
            path.write_bytes(content)
            names.append(str(path))
        (tmp_path / "questions.jsonl").write_text("\n".join(json.dumps({"question": text}) for text in benchmarks))
        decontamination = Decontamination(benchmarks=[str(tmp_path / "questions.jsonl")] if benchmarks else [])
        prepare(Seed(files=names, **(settings or {})), decontamination, limit, tmp_path / "pairs.parquet")
        assert not list(tmp_path.glob("*.waiting*")) and not list(tmp_path.glob("*.partial"))
        return Prepared(tmp_path / "pairs.parquet")

    return run


# --------------------------------------------------------------------------------------------------------------- formats

DIALOGUE = [("human", ASKED), ("gpt", ANSWERED), ("user", ASKED_NEXT), ("assistant", ANSWERED_NEXT)]


def said(*turns: tuple[str, object]) -> list[dict]:
    return [{"from": role, "value": text} for role, text in turns]


def messages(*turns: tuple[str, object]) -> list[dict]:
    return [{"role": role, "content": text} for role, text in turns]


FORMATS = {
    "alpaca": {
        "instruction": ASKED_NEXT,
        "input": "",
        "output": ANSWERED_NEXT,
        "history": [[ASKED, ANSWERED]],
        "system": "你是诗人",
    },
    "sharegpt": {"id": "x", "conversations": said(("system", "你是诗人"), *DIALOGUE)},
    "messages": {"messages": messages(("system", "你是诗人"), ("user", ASKED), ("assistant", ANSWERED), *DIALOGUE[2:])},
    "prompt_completion": {
        "prompt": messages(("system", "你是诗人"), ("user", ASKED), ("assistant", ANSWERED), ("user", ASKED_NEXT)),
        "completion": messages(("assistant", ANSWERED_NEXT)),
    },
}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("container", ["lines", "array", "gz", "zst", "parquet"])
def test_every_format_in_every_container_gives_the_same_pairs_and_leads_back_to_its_record(
    prepared, tmp_path: Path, format: str, container: str
):
    record = FORMATS[format]
    line = json.dumps(record, ensure_ascii=False).encode()
    if container == "parquet":
        pq.write_table(pa.Table.from_pylist([record]), tmp_path / "in.parquet")
    name, content = {
        "lines": ("seed__jsonl", b"\xef\xbb\xbf" + line + b"\n"),
        "array": ("seed__json", b"\xef\xbb\xbf \n [\n" + line + b"\n]"),
        "gz": ("seed__jsonl__gz", gzip.compress(line)),
        "zst": ("seed__jsonl__zst", zstd.compress(line)),
        "parquet": ("seed__parquet", (tmp_path / "in.parquet").read_bytes() if container == "parquet" else b""),
    }[container]
    done = prepared(settings={"turns": "all"}, **{name: content})
    assert done.pairs == [(ASKED, ANSWERED), (ASKED_NEXT, ANSWERED_NEXT)]
    for number, row in enumerate(done.kept):
        assert (row["format"], row["system"], row["turn"], row["file"]) == (
            format,
            "你是诗人",
            number,
            str(tmp_path / name.replace("__", ".")),
        )
        found = read_record(Path("/"), row["locator"], "parquet" if container == "parquet" else "jsonl")
        assert {field: found[field] for field in record} == record


def test_plain_prompt_and_completion_are_a_pair(prepared):
    assert prepared(a__jsonl=[{"prompt": ASKED, "completion": ANSWERED}]).pairs == [(ASKED, ANSWERED)]


def test_formats_may_be_mixed_and_empty_fields_tell_none(prepared):
    """As Parquet has it where rows of several kinds were joined: each row has all columns."""
    blank = dict.fromkeys(["instruction", "output", "conversations", "messages", "prompt", "completion"])
    rows = [GOOD, {"conversations": said(*DIALOGUE[2:])}, {"prompt": "说说长城的历史", "completion": "长城始建于春秋战国时期。"}]
    done = prepared(a__jsonl=[blank | row for row in rows])
    assert [row["format"] for row in done.kept] == ["alpaca", "sharegpt", "prompt_completion"]


def test_a_json_array_is_told_by_its_bracket_and_not_by_its_name(prepared):
    assert prepared(
        a__jsonl=json.dumps([GOOD]).encode(), b__json=json.dumps({"prompt": ASKED_NEXT, "completion": ANSWERED_NEXT}).encode()
    ).pairs == [
        (ASKED, ANSWERED),
        (ASKED_NEXT, ANSWERED_NEXT),
    ]


def test_an_input_goes_under_the_instruction_and_an_empty_one_nowhere():
    for nothing in ("", None):
        [turn] = turns_of({"instruction": "翻译", "input": nothing, "output": "早上好"}, "alpaca")
        assert turn == Turn(0, "", "翻译", "早上好")
    [turn] = turns_of({"instruction": "翻译", "input": "good morning", "output": "早上好"}, "alpaca")
    assert turn.instruction == "翻译\ngood morning"


# ------------------------------------------------------------------------------------------------------------- dialogues

U, A, S = ("user", ASKED), ("assistant", ANSWERED), ("system", "你是诗人")


@pytest.mark.parametrize(
    "turns, pairs, reason",
    [
        ([U, A], 1, None),
        ([S, S, U, A, U, A], 2, None),
        ([U, U, A], 0, "two_users"),
        ([U, A, U, U, A], 1, "two_users"),
        ([A, U, A], 0, "assistant_first"),
        ([U, A, A], 1, "two_assistants"),
        ([U, A, U], 1, "no_answer"),
        ([U], 0, "no_answer"),
        ([S], 0, "no_turn"),
        ([], 0, "no_turn"),
        ([U, S, A], 0, "misplaced_system"),
        ([U, A, S, U, A], 1, "misplaced_system"),
        ([U, ("tool", "{}"), A], 0, "unknown_role"),
        ([(None, "x"), A], 0, "unknown_role"),
        ([("user\ud800", "x"), A], 0, "unknown_role"),
        ([U, ("assistant", None)], 0, "missing_field"),
        ([U, ("assistant", [{"type": "image"}])], 0, "not_text"),
        ([U, ("assistant", "半个\ud83d")], 0, "lone_surrogate"),
    ],
)
@pytest.mark.parametrize("style", [said, messages])
def test_a_dialogue_is_read_up_to_where_it_is_wrong_and_says_what_is(turns, pairs: int, reason: str | None, style):
    found, why = [], None
    try:
        for turn in turns_of({"messages": style(*turns)}, "messages"):
            found.append(turn)
    except BadPair as bad:
        why = bad.reason
        assert bad.detail.encode() is not None
    assert (len(found), why) == (pairs, reason)
    assert [turn.number for turn in found] == list(range(pairs))


@pytest.mark.parametrize("value", ["text", 5, {"role": "user"}, ["text"], [[ASKED, ANSWERED]]])
def test_messages_that_are_none_are_refused(value):
    with pytest.raises(BadPair, match="not_text"):
        list(turns_of({"messages": value}, "messages"))


def test_only_the_first_turn_is_looked_at_unless_all_are_asked_for(prepared):
    record = {"messages": messages(U, A, ("user", ""), ("assistant", "空"), *DIALOGUE[2:], ("assistant", "又"))}
    first = prepared(a__jsonl=[record])
    assert (first.pairs, first.ledger.came_in) == ([(ASKED, ANSWERED)], 1)
    assert first.ledger.notes["later_turns_not_taken"] == {"messages": 1}
    every = prepared(settings={"turns": "all"}, a__jsonl=[record])
    assert every.pairs == [(ASKED, ANSWERED), (ASKED_NEXT, ANSWERED_NEXT)]
    assert every.ledger.failed == {"empty": 1, "two_assistants": 1}
    assert [row["record"]["turn"] for row in every.dropped] == [1, 3]


@pytest.mark.parametrize(
    "text", ["再写一首", "那么秋天呢？", "把上面的诗翻译成英文", "它的作者是谁？", "请解释你刚才说的第二点", "第三句是什么意思"]
)
def test_a_later_turn_that_refers_back_is_no_pair_of_its_own(prepared, text: str):
    done = prepared(
        settings={"turns": "all"},
        a__jsonl=[{"conversations": said(*DIALOGUE[:2], ("human", text), ("gpt", "好的，秋风起兮白云飞。"))}],
    )
    assert done.pairs == [(ASKED, ANSWERED)] and done.ledger.dropped == {"refers_back": 1}
    alone = prepared(a__jsonl=[{"instruction": text, "output": "好的，秋风起兮白云飞。"}])
    assert alone.pairs == [(text.strip(), "好的，秋风起兮白云飞。")], "at the beginning of a dialogue there is nothing to refer to"


@pytest.mark.parametrize("text", ["谢谢！", "继续", "你说得对。", "ＯＫ", "Go on"])
def test_a_remark_is_no_instruction_wherever_it_stands(prepared, text: str):
    assert prepared(
        settings={"min_han_share": 0}, a__jsonl=[GOOD, {"instruction": text, "output": "不客气，很高兴帮到您。"}]
    ).ledger.dropped == {"refers_back": 1}


# --------------------------------------------------------------------------------------------- records that are no pairs


@pytest.mark.parametrize(
    "value, reason",
    [
        ({}, "missing_field"),
        ({"text": "只有文本"}, "missing_field"),
        ({"instruction": ASKED}, "missing_field"),
        ({"output": ANSWERED}, "missing_field"),
        ({"prompt": ASKED, "chosen": "a", "rejected": "b"}, "missing_field"),
        ({"prompt": messages(U), "completion": ANSWERED}, "not_text"),
        ({"instruction": None, "output": ANSWERED}, "missing_field"),
        ({"instruction": ASKED, "output": 7}, "not_text"),
        ({"instruction": ASKED, "input": ["a"], "output": ANSWERED}, "not_text"),
        ({"instruction": ASKED, "output": ANSWERED, "history": "没有"}, "not_text"),
        ({"instruction": ASKED, "output": ANSWERED, "history": [["只有问"]]}, "not_text"),
        ({"instruction": ASKED, "output": ANSWERED, "history": [[None, "答"]]}, "not_text"),
        ({"instruction": "", "output": ANSWERED}, "empty"),
        ({"instruction": ASKED, "output": " \n\t"}, "empty"),
        ({"instruction": "\u200b\0", "output": ANSWERED}, "empty"),
        ({"instruction": "🙂？！", "output": ANSWERED}, "empty"),
    ],
)
def test_an_unusable_record_says_why_and_is_kept_aside(prepared, value, reason: str):
    done = prepared(a__jsonl=[GOOD, value])
    assert done.pairs == [(ASKED, ANSWERED)] and done.ledger.failed == {reason: 1}
    assert done.dropped[0]["record"]["locator"].endswith(
        f"@{len(json.dumps(GOOD, ensure_ascii=False).encode()) + 1}+{len(json.dumps(value, ensure_ascii=False).encode())}"
    )


def test_damage_costs_its_own_line(prepared):
    good = json.dumps(GOOD).encode()
    lines = [
        good,
        b"",
        b"  ",
        b'{"instruction": "torn',
        b"[1]",
        b'{"instruction": "\xff\xfe", "output": "x"}',
        b"\0\0",
        good.replace(b"}", b', "x": NaN}'),
    ]
    half = {"instruction": "说说\ud83d的意思", "output": ANSWERED}
    lines += [json.dumps(half).encode(), json.dumps({"instruction": ASKED_NEXT, "output": "云\u2028海" * 3}).encode()]
    done = prepared(a__jsonl=b"\n".join(lines) + b'\n{"instruction": "')
    assert [row["instruction"] for row in done.kept] == [ASKED, ASKED_NEXT]
    assert done.ledger.failed == {"damaged": 1, "not_object": 1, "wrong_encoding": 1, "nul": 1, "lone_surrogate": 1, "cut_off": 1}
    assert done.ledger.dropped == {"duplicate": 1}


def test_a_torn_array_gives_what_came_before_and_says_where_it_ends(prepared):
    whole = json.dumps([GOOD, {"instruction": ASKED_NEXT, "output": ANSWERED_NEXT}], ensure_ascii=False).encode()
    done = prepared(a__json=whole[:-20])
    assert done.pairs == [(ASKED, ANSWERED)] and done.ledger.failed == {"cut_off": 1}
    damaged = prepared(a__json=whole.replace(b'"instruction": ', b'"instruction" ', 1))
    assert damaged.pairs == [(ASKED_NEXT, ANSWERED_NEXT)] and damaged.ledger.failed == {"damaged": 1}


def test_a_truncated_archive_an_empty_file_and_another_encoding_are_told_of(prepared):
    packed = gzip.compress(
        b"\n".join(
            json.dumps({"instruction": f"第{n}条指令 {random.Random(n).random()}", "output": ANSWERED}).encode()
            for n in range(2000)
        )
    )
    done = prepared(
        a__jsonl__gz=packed[: len(packed) // 2], b__jsonl=b"", c__jsonl=json.dumps(GOOD, ensure_ascii=False).encode("utf-16")
    )
    assert (
        done.ledger.failed["unreadable_rest"] == 1
        and done.ledger.failed["empty_file"] == 1
        and done.ledger.failed["wrong_encoding"] == 1
    )
    assert 100 < len(done.kept) < 2000


def test_a_record_of_ten_megabytes_is_put_aside_unread_and_a_long_one_dropped(prepared):
    done = prepared(
        a__jsonl=[{"instruction": ASKED, "output": "长" * 3_400_000}, GOOD, {"instruction": ASKED_NEXT, "output": "长" * 9000}]
    )
    assert done.pairs == [(ASKED, ANSWERED)]
    assert (done.ledger.failed, done.ledger.dropped) == ({"too_large": 1}, {"too_long": 1})


@pytest.mark.parametrize(
    "columns, reason",
    [
        ({"instruction": [1, 2], "output": [ANSWERED] * 2}, {"not_text": 2}),
        ({"instruction": pa.array([b"\xff", b"x"], pa.binary()), "output": [ANSWERED] * 2}, {"not_text": 2}),
        ({"instruction": [ASKED, None], "output": [None, ANSWERED]}, {"missing_field": 2}),
        ({"conversations": ["[]", "x"]}, {"not_text": 2}),
        ({"messages": [[{"role": "user", "content": 5}], []]}, {"not_text": 1, "no_turn": 1}),
        ({"text": ["甲", "乙"]}, {"missing_field": 2}),
    ],
)
def test_parquet_with_wrong_columns_fails_row_by_row(prepared, tmp_path: Path, columns: dict, reason: dict):
    pq.write_table(pa.table(columns), tmp_path / "in.parquet")
    done = prepared(a__parquet=(tmp_path / "in.parquet").read_bytes(), b__jsonl=[GOOD])
    assert done.pairs == [(ASKED, ANSWERED)] and done.ledger.failed == reason


def test_a_damaged_parquet_file_is_one_entry(prepared):
    assert prepared(a__parquet=b"PAR1 no table PAR1", b__jsonl=[GOOD]).ledger.failed == {"unreadable_rest": 1}


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(NoSeedFile, match="没有这个"):
        prepare(Seed(files=[str(tmp_path / "没有这个.jsonl")]), Decontamination(), 1000, tmp_path / "pairs.parquet")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------------- what pairs are dropped for


def reason(instruction: str, output: str, turn: int = 0, **settings) -> str | None:
    made = Seed(**settings)
    [row] = with_han_share([to_pair(Turn(turn, "", instruction, output), "a", "a", "alpaca", made)])
    found = reason_to_drop(row, made)
    return found and found[0]


@pytest.mark.parametrize(
    "instruction, output, expected",
    [
        (ASKED, ANSWERED, None),
        ("寫一首關於春天的詩", "春眠不覺曉，處處聞啼鳥。", None),
        ("请写１个笑话🙂", "😂😂😂😂", None),
        ("把“今天天气很好”翻译成英文", "The weather is very nice today.", None),
        ("用 Python 写快速排序", "```python\ndef quick_sort(arr):\n    return sorted(arr)\n```", None),
        ("What does this mean? Please answer in Chinese.", "这句话的意思是请用中文回答。", None),
        ("12 + 30 = ?", "= 42 (4 * 10 + 2)", None),
        ("Write a poem about spring.", "The spring is here, the birds appear.", "wrong_language"),
        ("春についての詩を書いてください", "はるはあけぼの、やうやうしろくなりゆくやまぎは", "wrong_language"),
        ("Напишите стихи о весне", "Весна пришла, и птицы поют.", "wrong_language"),
        ("嗨", "你好！今天我能为您做什么？", "too_short"),
        ("用一个字总结今年", "疫", "too_short"),
    ],
)
def test_what_a_pairs_own_text_is_dropped_for(instruction: str, output: str, expected: str | None):
    assert reason(instruction, output) == expected


def test_the_limits_are_those_of_the_settings():
    assert reason("写诗", "春", min_instruction=2, min_output=1) is None
    assert reason(ASKED, "长" * (100 - len(ASKED)), max_characters=100) is None
    assert reason(ASKED, "长" * (101 - len(ASKED)), max_characters=100) == "too_long"
    assert reason("Write a poem.", "The spring is here.", min_han_share=0) is None
    assert reason("翻译 a sentence of many words", "ok, ok, ok", min_han_share=0.2) == "wrong_language"


@pytest.mark.parametrize(
    "side, text, left",
    [
        ("instruction", "### Instruction:\n感冒吃什么药", "感冒吃什么药"),
        ("output", "\n\n### Response:\n\n\n### Response:\n多喝水", "多喝水"),
        ("output", "<|im_start|>assistant\n多喝水<|im_end|>", None),
        ("instruction", "[INST] <<SYS>>你是医生<</SYS>> 感冒吃什么药 [/INST]", None),
        ("instruction", "Human: 感冒吃什么药", "感冒吃什么药"),
        ("output", "Assistant: 多喝水</s>", "多喝水"),
        ("output", "多喝水<|endoftext|>", "多喝水"),
        ("output", "多喝水\n\nHuman: 还有呢\n\nAssistant: 休息", None),
        ("instruction", "请看数字\n### 输入：\n123", None),
    ],
)
def test_what_a_template_left_is_dropped_or_stripped(side: str, text: str, left: str | None):
    """None: more of it is left after stripping, so the pair goes all the same."""
    other = {"instruction": ASKED, "output": ANSWERED * 3}
    assert reason(**(other | {side: text}), min_output=1) == "wrapper"
    stripped = reason(**(other | {side: text}), min_output=1, wrappers="strip")
    if left is None and side == "output" and text.startswith("<|im_start|>"):
        assert unwrapped(text, side) == "assistant\n多喝水"  # the role's name cannot be told from a word
    elif left is None:
        assert stripped == "wrapper"
    else:
        assert stripped is None and unwrapped(text.strip(), side) == left


@pytest.mark.parametrize(
    "side, text",
    [
        ("output", "用户：你好，我想退货。\n客服：请问是什么原因？"),
        ("output", "指令：请把门关上。\n回复：好的。"),
        ("output", "### 一、背景\n正文\n### 输入法的历史\n正文"),
        ("instruction", "翻译：The human: a history"),
        ("output", "1 < 2 | 3 > 2，这里的<b>标签</b>和 <|> 不是控制符"),
        ("instruction", "输入：三个数\n输出：它们的和"),
        ("output", "A: 你好\nB: 你好"),
    ],
)
def test_dialogues_headings_and_signs_are_no_template(side: str, text: str):
    assert left_of_template(text, side) is None and unwrapped(text, side) == text


def test_a_text_of_nothing_but_labels_is_no_pair(prepared):
    labels = {"instruction": "### Instruction:\n" * 5, "output": "### Response:\n<|im_end|>"}
    many = {"instruction": ASKED_NEXT, "output": "### Response:\n" * 1000 + ANSWERED}
    done = prepared(settings={"wrappers": "strip", "max_characters": 10**6}, a__jsonl=[GOOD, labels, many])
    assert done.pairs == [(ASKED, ANSWERED)] and done.reasons == {"empty": 1, "wrapper": 1}


def test_both_sides_are_made_readable(prepared):
    [row] = prepared(a__jsonl=[{"instruction": "写１首\u200b诗吧 \r\n", "output": "春  \r\n眠\u0000不觉晓"}]).kept
    assert (row["instruction"], row["output"]) == ("写1首诗吧", "春\n眠不觉晓")


def test_a_benchmarks_question_is_found_in_any_dress_and_on_both_sides(prepared):
    question = "下列关于光合作用的说法中，哪一项是正确的？"
    pairs = [
        {"instruction": "請回答：下列關於光合作用的說法中，哪一項是正確的", "output": "选第三项，光合作用释放氧气。"},
        {"instruction": "出一道生物题", "output": f"好的。{question}A. 释放氧气"},
        GOOD,
    ]
    done = prepared(benchmarks=[question, "短"], a__jsonl=pairs)
    assert done.pairs == [(ASKED, ANSWERED)] and done.ledger.dropped == {"contaminated": 2}
    assert "questions.jsonl:1" in done.dropped[0]["detail"]
    assert done.ledger.notes["questions"] == {"looked_for": 1, "too_short": 1}


# ----------------------------------------------------------------------------------------------------------------- copies

LONG = "请你以一位在海边小镇生活了三十年的老渔民的口吻，写一段关于清晨出海捕鱼、傍晚归来卖鱼的经历，并谈谈这些年海的变化。"


def test_the_first_file_owns_an_instruction_whatever_its_dress_or_answer(prepared):
    first = [GOOD]
    second = [GOOD | {"instruction": "写一首 关于春天的诗！", "output": "另一个答案"}, GOOD | {"instruction": "寫一首關於春天的詩"}]
    done = prepared(a__jsonl=first, b__jsonl=second)
    assert done.pairs == [(ASKED, ANSWERED)] and done.ledger.dropped == {"duplicate": 2}
    assert all(row["detail"] == f"of {done.kept[0]['locator']}" for row in done.dropped)
    turned = prepared(b__jsonl=second, a__jsonl=first)
    assert turned.pairs == [("写一首 关于春天的诗！", "另一个答案")]


def test_near_duplicates_are_dropped_and_may_stay_if_asked(prepared):
    near = LONG.replace("三十年", "四十年")
    pairs = [{"instruction": LONG, "output": ANSWERED}, {"instruction": near, "output": ANSWERED}, GOOD]
    done = prepared(a__jsonl=pairs)
    assert [row["instruction"] for row in done.kept] == [LONG, ASKED] and done.ledger.dropped == {"near_duplicate": 1}
    assert done.dropped[0]["detail"].endswith(f" like {done.kept[0]['locator']}")
    assert len(prepared(settings={"duplicates": {"near": False}}, a__jsonl=pairs).kept) == 3


def test_what_is_dropped_for_itself_owns_nothing(prepared):
    done = prepared(a__jsonl=[{"instruction": ASKED, "output": "春"}, GOOD])
    assert done.pairs == [(ASKED, ANSWERED)] and done.ledger.dropped == {"too_short": 1}


def test_a_copy_in_a_later_turn_is_named_with_its_turn(prepared):
    record = {"conversations": said(*DIALOGUE)}
    done = prepared(settings={"turns": "all"}, a__jsonl=[record, {"instruction": ASKED_NEXT, "output": ANSWERED}])
    assert done.dropped[0]["detail"] == f"of {done.kept[1]['locator']} turn 1"
    assert done.dropped[0]["record"]["locator"] != done.kept[1]["locator"] == done.kept[0]["locator"]


def test_copies_never_stand_on_both_sides_of_the_split(prepared):
    chance, pairs = random.Random(2), []
    for _ in range(60):
        text = "".join(chr(chance.randrange(0x4E00, 0x9000)) for _ in range(60))
        pairs += [{"instruction": text + end, "output": ANSWERED} for end in ("，请用三百字说明。", "，请用五百字说明。")]
    random.Random(3).shuffle(pairs)
    done = prepared(settings={"held_out": 0.4}, a__jsonl=pairs)
    assert (len(done.kept), done.ledger.dropped) == (60, {"near_duplicate": 60})
    assert {row["held_out"] for row in done.kept} == {True, False}


# ------------------------------------------------------------------------------------------------------------------ split


def pair(instruction: str = ASKED, output: str = ANSWERED, held_out: float = 0.2) -> dict:
    return to_pair(Turn(0, "", instruction, output), "seed.jsonl@0+1", "seed.jsonl", "alpaca", Seed(held_out=held_out))


def test_a_pair_has_the_columns_of_the_schema_and_an_id_of_its_content():
    row = pair()
    assert set(row) == set(SCHEMA.names)
    assert row["id"] == to_pair(Turn(3, "x", ASKED, ANSWERED), "elsewhere", "else", "messages", Seed(held_out=0.4))["id"]
    assert len({pair()["id"], pair("写两首诗")["id"], pair(output="处处闻啼鸟")["id"], pair(ASKED + "春", ANSWERED[1:])["id"]}) == 4


def test_the_held_out_share_is_about_what_was_asked():
    for share in (0.0, 0.05, 0.3):
        held = sum(pair(f"第{number}条指令", held_out=share)["held_out"] for number in range(2000))
        assert abs(held / 2000 - share) < 0.035
    assert not any(pair(f"第{number}条指令", held_out=0.0)["held_out"] for number in range(200))


def test_the_split_looks_at_the_instruction_alone_and_not_at_its_punctuation_or_answer():
    for number in range(50):
        side = pair(f"第{number}条指令", "一")["held_out"]
        assert pair(f"第{number}条 指令！", "另一个答案")["held_out"] == side


def test_a_greater_share_keeps_what_was_held_out():
    """So that raising seed.held_out never trains on what was measured on before."""
    for number in range(200):
        assert pair(f"第{number}条", held_out=0.1)["held_out"] <= pair(f"第{number}条", held_out=0.2)["held_out"]


def test_the_split_stays_when_pairs_are_added_and_moved(prepared):
    pairs = [{"instruction": f"第{number}条指令", "input": "", "output": f"第{number}个答案"} for number in range(40)]
    before = prepared(settings={"held_out": 0.3}, a__jsonl=pairs).kept
    more = pairs + [{"instruction": f"新的第{number}条", "output": "新的答案"} for number in range(20)]
    random.Random(1).shuffle(more)
    sides = {
        row["instruction"]: row["held_out"] for row in prepared(settings={"held_out": 0.3}, a__json=json.dumps(more).encode()).kept
    }
    assert all(sides[row["instruction"]] == row["held_out"] for row in before)
    assert {row["held_out"] for row in before} == {True, False}


# ------------------------------------------------------------------------------------------------------------ the programs

HOSTILE = "<script>alert('坏')</script>{{ 7*7 }}&lt;b&gt; 请介绍这家酒店"


def test_the_programs_prepare_and_show_every_text_as_text(root: Path, tmp_path: Path):
    lines = [
        {"instruction": HOSTILE, "output": HOSTILE * 2},
        {"instruction": HOSTILE + "！", "output": HOSTILE},
        {"instruction": "### Instruction: " + HOSTILE, "output": HOSTILE},
        {HOSTILE: HOSTILE},
        {"messages": messages((HOSTILE, HOSTILE))},
    ]
    seed = tmp_path / "<b>种子.jsonl"
    seed.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n" + HOSTILE, encoding="utf-8")
    settings = json.dumps({"files": [str(seed)]})
    output, found, page = tmp_path / "pairs.parquet", tmp_path / "seed.json", tmp_path / "seed.html"
    for command in (
        ["prepare_seed.py", "--settings", settings, "--output", output],
        ["survey_seed.py", "--pairs", output, "--files", seed, "--name", "<i>数据", "--survey", found, "--page", page],
    ):
        done = subprocess.run(
            [sys.executable, f"workflow_scripts/{command[0]}", *command[1:]], cwd=root, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    [known] = json.loads(found.read_text())["files"]
    assert (known["in"], known["kept"]) == (6, 1)
    assert known["reasons"] == {"cut_off": 1, "duplicate": 1, "missing_field": 1, "unknown_role": 1, "wrapper": 1}
    assert known["formats"] == {"": 2, "alpaca": 3, "messages": 1}
    shown = page.read_text(encoding="utf-8")
    assert "<script" not in shown and "<b>种子" not in shown and "<i>数据" not in shown and "{{ 7*7 }}" in shown
    assert shown.count("&lt;script&gt;alert") >= 6


def test_a_file_without_any_pair_ends_with_its_reasons(root: Path, tmp_path: Path):
    (tmp_path / "seed.jsonl").write_text('{"text": "没有问答"}\n')
    command = [sys.executable, "workflow_scripts/prepare_seed.py", "--output", str(tmp_path / "pairs.parquet")]
    command += ["--settings", json.dumps({"files": [str(tmp_path / "seed.jsonl")]})]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert done.returncode and "missing_field 1" in done.stderr and "Traceback" not in done.stderr


def test_the_survey_counts_what_the_tables_hold(prepared, tmp_path: Path):
    pairs = [{"instruction": f"第{number}条指令", "output": "长" * (number * 30 + 4)} for number in range(40)]
    done = prepared(a__jsonl=pairs, b__json=json.dumps([*pairs[:5], {"instruction": "Only English", "output": "in both"}]).encode())
    files = [str(tmp_path / "a.jsonl"), str(tmp_path / "b.json")]
    found = survey(tmp_path / "pairs.parquet", files, samples=3)
    assert [(file["in"], file["kept"], file["reasons"]) for file in found["files"]] == [
        (40, 40, {}),
        (6, 0, {"duplicate": 5, "wrong_language": 1}),
    ]
    assert sum(file["held_out"] for file in found["files"]) == sum(row["held_out"] for row in done.kept)
    assert found["formats"] == {"alpaca": {"kept": 40, "dropped": 6}}
    for bands in (*found["lengths"].values(), found["languages"]):
        assert (sum(band["kept"] for band in bands), sum(band["dropped"] for band in bands)) == (40, 6)
    assert next(band for band in found["lengths"]["output"] if band["from"] == 0)["kept"] == 1
    assert (len(found["kept"]), len(found["dropped"]["duplicate"]), len(found["dropped"]["wrong_language"])) == (3, 3, 1)


def test_the_order_of_files_alone_decides_and_nothing_else_changes_a_byte(prepared, tmp_path: Path):
    pairs = [{"instruction": f"第{number % 30}条指令", "output": f"第{number}个答案"} for number in range(300)]
    first = prepared(a__jsonl=pairs, b__jsonl=pairs[::-1])
    bytes_then = [path.read_bytes() for path in sorted(tmp_path.glob("pairs*"))]
    again = prepared(a__jsonl=pairs, b__jsonl=pairs[::-1])
    assert first.kept == again.kept and [path.read_bytes() for path in sorted(tmp_path.glob("pairs*"))] == bytes_then


def test_the_format_is_told_by_fields_that_say_something():
    assert format_of({"messages": [], "instruction": ASKED, "output": ANSWERED}) == "alpaca"
    assert format_of({"messages": messages(U, A), "instruction": ASKED, "output": ANSWERED}) == "messages"
    assert format_of({"instruction": "", "output": ANSWERED}) == "alpaca"
