"""Benchmark questions: read from their files, found in texts in any dress, and not found where only a phrase is shared."""

import json
from pathlib import Path
from unittest.mock import ANY

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kun.selection import contamination
from kun.selection.contamination import Hit, Index
from kun.selection.questions import BadQuestions, Question, read_questions
from kun.settings.selection import BenchmarkFile
from kun.signals.forms import bare, compatible

LONG = "某商店以每件80元的价格购进一批衬衫，若按每件120元出售，每天可以卖出20件，问每天的利润是多少？"
POEM = "请解释“落霞与孤鹜齐飞，秋水共长天一色”描绘了怎样的景色"
BEFORE, AFTER = "今天天气很好，我们一起去公园散步。", "晚上回家以后大家都觉得非常开心。"


def index(*questions: str, gram: int = 8, share: float = 0.8, simplify: bool = True) -> Index:
    return Index([Question("题.jsonl", line, text) for line, text in enumerate(questions, start=1)], gram, share, simplify)


def found(text: str, *questions: str, **options) -> int | None:
    """The line of the question that is found."""
    [hit] = index(*questions, **options).find([text])
    return hit and hit.line


# ------------------------------------------------------------------------------------------------------------- what is found


@pytest.mark.parametrize("gram", [5, 8, 13, 64])
def test_a_question_inside_a_text_is_found_and_named(gram):
    [hit, clean] = index(POEM, LONG, gram=gram).find([BEFORE + LONG + AFTER, BEFORE + AFTER])
    assert hit == Hit("题.jsonl", 2, LONG[:40], 1.0) and clean is None
    assert str(hit) == f"题.jsonl:2 {LONG[:40]} (1.00)"


WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}


@pytest.mark.parametrize(
    "dressed",
    [
        LONG.translate(WIDE),
        LONG.replace("，", ", ").replace("？", "?"),
        " ".join(LONG),
        "\n".join(LONG),
        LONG.replace("，", "——").replace("每件", "【每件】"),
        LONG.replace("80", "⑧⓪").replace("120", "𝟭𝟮𝟬"),
    ],
)
def test_width_space_and_punctuation_hide_nothing(dressed):
    assert found(BEFORE + dressed + AFTER, LONG) == 1


def test_case_hides_nothing():
    assert found("他问 HOW do you TRANSLATE this SENTENCE，我不知道", "How do you translate this sentence?") == 1


def test_a_traditional_question_is_found_in_simplified_texts_only_where_texts_are_simplified():
    question, text = "請問電腦的記憶體與硬碟有什麼區別", BEFORE + "请问电脑的记忆体与硬碟有什么区别" + AFTER
    assert found(text, question) == 1
    assert found(text, question, simplify=False) is None
    assert found(BEFORE + question + AFTER, question, simplify=False) == 1


@pytest.mark.parametrize("place", range(0, len(LONG), 3))
@pytest.mark.parametrize("edit", ["", "改", "多一些字"])
def test_one_edit_anywhere_hides_nothing(place, edit):
    assert found(BEFORE + LONG[:place] + edit + LONG[place + 1 :] + AFTER, LONG) == 1


def test_a_shared_phrase_is_no_question():
    assert found("某商店以每件80元的价格购进一批衬衫，后来全部送给了山区的孩子们。", LONG) is None
    assert found(BEFORE + "落霞与孤鹜齐飞，秋水共长天一色" + AFTER, POEM) is None


PLAIN = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉"  # 20 characters, no two the same


@pytest.mark.parametrize(("held", "expected"), [(16, 1), (15, None)])
def test_the_share_itself_is_enough(held, expected):
    assert found(BEFORE + PLAIN[:held] + AFTER, PLAIN) == expected
    assert found(BEFORE + PLAIN[-held:] + AFTER, PLAIN) == expected


def test_a_share_that_binary_fractions_miss_is_enough():
    question = "".join(map(chr, range(0x4E00, 0x4E00 + 100)))
    assert 0.55 * 100 > 55
    assert found("空" + question[:55], question, share=0.55, simplify=False) == 1
    assert found("空" + question[:54], question, share=0.55, simplify=False) is None


def test_characters_are_counted_not_grams():
    text = PLAIN[:9] + "空" + PLAIN[10:]  # 5 of 13 8-grams, 19 of 20 characters
    [hit] = index(PLAIN).find([text])
    assert hit.share == pytest.approx(0.95)


def test_pieces_shorter_than_a_gram_do_not_count():
    assert found("空".join(PLAIN[start : start + 7] for start in range(0, 20, 7)), PLAIN, share=0.1) is None
    assert found("空".join(PLAIN[start : start + 8] for start in range(0, 20, 8)), PLAIN, share=0.8) == 1


def test_pieces_far_from_each_other_are_no_question():
    halves = PLAIN[:10], PLAIN[10:]
    assert found(("中" * 15).join(halves), PLAIN) == 1
    assert found(("中" * 60).join(halves), PLAIN) is None
    assert found(("中" * 60).join(halves), PLAIN, share=0.5) == 1


def test_a_phrase_of_it_before_does_not_hide_the_question():
    phrase = PLAIN[:9] + "空" * 100 + PLAIN[-9:] + "空" * 100
    assert found(phrase, PLAIN) is None
    assert found(phrase + PLAIN, PLAIN) == 1


def test_a_share_of_one_wants_every_character():
    assert found(BEFORE + PLAIN + AFTER, PLAIN, share=1.0) == 1
    assert found(BEFORE + PLAIN[:-1] + AFTER, PLAIN, share=1.0) is None


# -------------------------------------------------------------------------------------------------------- short questions


@pytest.mark.parametrize(
    ("question", "too_short"), [("牛的发情周期平均为", 0), ("牛的发情周期平均", 0), ("牛的发情周期平", 1), ("？！", 1), ("", 1)]
)
def test_questions_of_a_few_characters_are_counted_and_not_looked_for(question, too_short):
    made = index(question, gram=13)
    assert made.too_short == too_short and len(made.questions) == 1 - too_short
    assert (made.find([f"兽医说：{question}二十一天。"]) == [None]) == bool(too_short)


def test_a_question_shorter_than_a_gram_is_looked_for_whole():
    assert found("兽医说，牛的发情周期平均为二十一天。", "牛的发情周期平均为", gram=13) == 1
    assert found("兽医说，牛的发情周期平均是二十一天。", "牛的发情周期平均为", gram=13) is None


def test_space_and_punctuation_do_not_make_a_question_long_enough():
    assert index("控制的目的，在于：（　　　　　　）").too_short == 1


# --------------------------------------------------------------------------------------------------------- one of several


def test_the_question_of_which_most_is_found_is_named():
    assert found(BEFORE + PLAIN[:18] + AFTER, PLAIN, PLAIN[:18]) == 2
    assert found(BEFORE + PLAIN[:18] + AFTER, PLAIN[:18], PLAIN) == 1


def test_of_equals_the_first_is_named():
    assert found(BEFORE + PLAIN + POEM + LONG, POEM, LONG, PLAIN) == 1
    assert found(BEFORE + PLAIN + LONG, LONG, PLAIN) == 1
    assert found(BEFORE + LONG + PLAIN, PLAIN, LONG) == 1


def test_the_same_question_again_is_one_question():
    made = index(POEM, LONG, POEM + "？", POEM.translate(WIDE))
    assert [question.line for question in made.questions] == [1, 2]
    assert made.find([POEM])[0].line == 1


def test_questions_that_begin_alike_are_told_apart():
    questions = [f"请根据下面的材料回答问题：{chr(0x4E00 + 50 * number) * 3}的首都叫做什么名字" for number in range(300)]
    made = index(*questions, simplify=False)
    assert [hit.line for hit in made.find([BEFORE + question for question in questions])] == list(range(1, 301))
    assert made.find([BEFORE + "请根据下面的材料回答问题：谁是作者？"]) == [None]


@pytest.mark.parametrize("common", ["请根据下面的材料回答问题{}", "{}以下说法当中正确的一项是"])
def test_what_questions_have_in_common_makes_no_text_a_suspect(common):
    made = index(*(common.format(chr(code) * 12) for code in range(0x4E00, 0x4E40)))
    assert made.keys.suspects(bare(compatible([common.format("谁是作者"), common.format("一" * 12)]))) == [(1, ANY, 0)]


# -------------------------------------------------------------------------------------------------------------- many texts


def test_a_question_over_the_border_of_two_texts_is_in_neither():
    assert index(LONG).find([BEFORE + LONG[:24], LONG[24:] + AFTER]) == [None, None]


def test_texts_at_once_and_one_by_one_and_as_forms_are_the_same():
    texts = ["", "空", LONG, BEFORE, LONG[:30] + AFTER, POEM + LONG, "", "𠮷" * 20 + LONG, "①" * 9] * 70
    made = index(POEM, LONG)
    together = made.find(texts)
    assert together == [made.find([text])[0] for text in texts] == made.find(bare(compatible(texts)))
    assert [hit is not None for hit in together[:9]] == [False, False, True, False, False, True, False, True, False]


def test_nothing_asked_or_nothing_to_look_in_finds_nothing():
    assert Index([], 8, 0.8, True).find([LONG, ""]) == [None, None]
    assert index("短").find([LONG]) == [None]
    assert index(LONG).find([]) == [] and index(LONG).find(["", "。"]) == [None, None]


def held_anywhere(question: str, text: str, gram: int) -> float:
    """The definition, word for word: which characters of the question stand in an n-gram that the text holds."""
    gram = min(gram, len(question))
    held = {
        start + place
        for start in range(len(question) - gram + 1)
        if question[start : start + gram] in text
        for place in range(gram)
    }
    return len(held) / len(question)


ALPHABET = st.text("甲乙丙", max_size=60)  # three letters, so that everything occurs everywhere


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.text("甲乙丙", min_size=8, max_size=40), max_size=6, unique=True),
    st.lists(ALPHABET, max_size=4),
    st.data(),
)
def test_found_is_what_the_definition_says(questions, texts, data):
    gram = data.draw(st.sampled_from([5, 6, 8, 11]))
    share = data.draw(st.sampled_from([0.1, 0.5, 0.7, 0.8, 0.95, 1.0]))
    if questions and texts:  # else nothing would ever be near enough
        question, cut = data.draw(st.sampled_from(questions)), data.draw(st.integers(0, 12))
        texts[0] += question[:cut] + data.draw(st.sampled_from(["", "丁"])) + question[cut + 1 :] + "丁" + texts[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contamination, "AROUND", 10**6)
        hits = index(*questions, gram=gram, share=share).find(texts)
    for text, hit in zip(texts, hits, strict=True):
        shares = [held_anywhere(question, text, gram) for question in questions]
        enough = [
            each if each >= (share if len(question) >= gram else 1) - 1e-9 else 0
            for each, question in zip(shares, questions, strict=True)
        ]
        if not any(enough):
            assert hit is None
        else:
            assert hit is not None and (hit.share, hit.line) == (pytest.approx(max(enough)), enough.index(max(enough)) + 1)


# ------------------------------------------------------------------------------------------------------------------ files


def benchmark(folder: Path, *lines: object, name: str = "题.jsonl", field: str = "question") -> BenchmarkFile:
    path = folder / name
    path.write_text(
        "".join(f"{line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)}\n" for line in lines), "utf-8"
    )
    return BenchmarkFile(path=str(path), field=field)


def test_questions_come_in_the_order_of_files_and_lines(tmp_path):
    files = [
        benchmark(tmp_path, {"question": "一"}, "", {"question": "二\u2028二", "answer": "C"}, name="乙.jsonl"),
        benchmark(tmp_path, {"prompt": "\ufeff三"}, name="甲.jsonl", field="prompt"),
    ]
    (tmp_path / "甲.jsonl").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "甲.jsonl").read_bytes())
    assert list(read_questions(files)) == [
        Question("乙.jsonl", 1, "一"),
        Question("乙.jsonl", 3, "二\u2028二"),
        Question("甲.jsonl", 1, "\ufeff三"),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"prompt": "问", "choices": ["甲"]}, r"题\.jsonl:2: there is no field 'question'; the fields are 'prompt', 'choices'"),
        ({}, r"题\.jsonl:2: there is no field 'question'; the fields are none"),
        (
            {"question": ["问"], "stem": "问"},
            r"题\.jsonl:2: the field 'question' holds a list, not a text; fields with a text are 'stem'",
        ),
        ({"question": None}, r"题\.jsonl:2: the field 'question' holds a NoneType, not a text; fields with a text are none"),
        ({"question": {"stem": "问"}}, r"题\.jsonl:2: the field 'question' holds a dict"),
        ('{"question": "问"', r"题\.jsonl:2: not readable as JSON"),
        ('["问"]', r"题\.jsonl:2: expected a JSON object with a question in its field 'question', not a list"),
    ],
)
def test_a_line_without_its_question_ends_with_file_line_and_what_is_there(tmp_path, line, message):
    with pytest.raises(BadQuestions, match=message):
        list(read_questions([benchmark(tmp_path, {"question": "问"}, line)]))


def test_a_file_that_is_missing_or_empty_is_named(tmp_path):
    with pytest.raises(BadQuestions, match=r"decontamination\.benchmarks: cannot read .*没有\.jsonl: No such file"):
        list(read_questions([BenchmarkFile(path=str(tmp_path / "没有.jsonl"))]))
    with pytest.raises(BadQuestions, match=r"there is no question in .*题\.jsonl"):
        list(read_questions([benchmark(tmp_path, "", " ")]))


def test_a_folder_of_csv_is_a_benchmark(tmp_path: Path):
    """CMMLU's own files."""
    text = '\ufeff,Question,A,B,C,D,Answer\r\n0,"壁胸膜的分部，\n不包括",肋,肺,膈,顶,B\r\n1,,,,,,\r\n2,舌下神经核位于,间脑,延髓,中脑,脑桥,B\r\n'
    (tmp_path / "anatomy.csv").write_text(text, encoding="utf-8")
    (tmp_path / "arts.jsonl").write_text('{"Question": "谁画的"}\n', encoding="utf-8")
    (tmp_path / "readme.txt").write_text("别的", encoding="utf-8")
    assert list(read_questions([BenchmarkFile(path=str(tmp_path), field="Question")])) == [
        Question("anatomy.csv", 2, "壁胸膜的分部，\n不包括"),
        Question("anatomy.csv", 5, "舌下神经核位于"),
        Question("arts.jsonl", 1, "谁画的"),
    ]
    with pytest.raises(BadQuestions, match=r"anatomy\.csv: there is no column 'query' in its first line; the columns are"):
        list(read_questions([BenchmarkFile(path=str(tmp_path / "anatomy.csv"), field="query")]))
