"""From a record to a document: what each published format's fields become, and what makes a record unusable."""

import pytest

from kun.corpus.documents import FIELDS, Unusable, document_id, to_document
from kun.settings.corpus import Text

PLAIN = Text(html=False, mojibake=False, boilerplate=False, simplify=False)


def document(kind: str, value: dict, source: str = "s", locator: str = "") -> dict:
    return to_document(source, FIELDS[kind], value, locator, PLAIN)


def test_a_wudao_record_becomes_a_document_with_its_title_in_front():
    value = {"id": 1, "title": "标题　", "content": "\u3000正文。\r\n", "dataType": "新闻"}
    assert document("wudao", value, "wudao", "p.json@1+90") == {
        "id": document_id("wudao", "标题\n正文。"),
        "text": "标题\n正文。",
        "title": "标题",
        "category": "新闻",
        "locator": "p.json@1+90",
    }


def test_a_title_that_the_text_begins_with_is_not_repeated():
    assert document("wudao", {"title": "标题", "content": "标题\n正文"})["text"] == "标题\n正文"


@pytest.mark.parametrize("title", [None, 5, "", "\u3000", ["x"]])
def test_a_title_or_category_that_is_no_text_is_none(title):
    row = document("wudao", {"title": title, "content": "正文", "dataType": None})
    assert (row["text"], row["title"], row["category"]) == ("正文", "", "")


def test_texts_and_titles_are_cleaned_as_the_settings_say():
    value = {"title": "標題", "content": "正文繁體"}
    assert to_document("s", FIELDS["wudao"], value, "", Text())["text"] == "标题\n正文繁体"
    assert document("wudao", value)["text"] == "標題\n正文繁體"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({}, "missing_text"),
        ({"Content": "x", "q_main": "题"}, "missing_text"),
        ({"content": None}, "not_text"),
        ({"content": 5}, "not_text"),
        ({"content": ["x"]}, "not_text"),
        ({"content": ""}, "empty"),
        ({"content": "\u200b\x00\u3000\n", "title": "标题"}, "empty"),
        ({"content": "正\ud83d文"}, "lone_surrogate"),
        ({"content": "正文", "title": "\udfff"}, "lone_surrogate"),
        ({"content": "正文", "dataType": "a\ud800\u0041"}, "lone_surrogate"),
    ],
)
def test_what_cannot_become_a_document_has_a_reason(value, reason):
    with pytest.raises(Unusable) as caught:
        document("wudao", value)
    assert caught.value.reason == reason


def test_half_a_character_where_nobody_looks_does_not_cost_the_record():
    assert document("wudao", {"content": "正文", "url": "\ud800"})["text"] == "正文"


def test_an_id_depends_on_source_and_text_only():
    first = document("skypile", {"text": "文１"}, "a", "x@0+9")
    assert document("skypile", {"text": " 文１\r\n", "n": 1}, "a", "y@5+9")["id"] == first["id"]
    assert document("skypile", {"text": "文１"}, "b", "x@0+9")["id"] != first["id"]
    assert len(first["id"]) == 32


# -------------------------------------------------------------------------------------------------------------- WanJuan

EXAM = {
    "id": "BkQQW3mZ",
    "q_type": "单选题",
    "q_main": "下列物质中，属于纯净物的是（  ）",
    "option_a": "空气",
    "option_b": "蒸馏水\x01",
    "option_c": None,
    "option_d": "",
    "option_e": "  ",
    "std_ans": "",
    "answer": "B",
    "answer_detail": "蒸馏水只含一种物质。",
    "grade": "九年级",
    "major": "化学",
    "keypoint": None,
}


def test_an_examination_question_becomes_readable_text():
    row = document("wanjuan", EXAM)
    assert row["text"].split("\n") == [
        "单选题",
        "下列物质中，属于纯净物的是（  ）",
        "A. 空气",
        "B. 蒸馏水",
        "答案：B",
        "解析：蒸馏水只含一种物质。",
    ]
    assert (row["category"], row["title"]) == ("九年级/化学", "")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"std_ans": "A"}, "题\n答案：A"),
        ({"std_ans": ["A", "C"]}, "题\n答案：A、C"),
        ({"answer": 3}, "题\n答案：3"),
        ({"answer": None, "answer_detail": []}, "题"),
        ({"q_type": None, "option_a": 0.5, "option_e": "戊"}, "题\nA. 0.5\nE. 戊"),
        ({"content": None}, "题"),
        ({"content": "正文"}, "正文"),
        ({"answer": True, "q_type": {"a": 1}}, "题"),
    ],
)
def test_what_a_question_lacks_is_not_printed(change, text):
    assert document("wanjuan", {"q_main": "题", **change})["text"] == text


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"q_main": None}, "empty"),
        ({"q_main": " ", "answer": "A"}, "empty"),
        ({"q_main": {"a": 1}}, "not_text"),
        ({"q_main": "\ud800"}, "lone_surrogate"),
        ({"q_main": "题", "option_b": "\ud800"}, "lone_surrogate"),
        ({"id": "x"}, "missing_text"),
    ],
)
def test_a_question_that_cannot_be_used_has_a_reason(value, reason):
    with pytest.raises(Unusable) as caught:
        document("wanjuan", value)
    assert caught.value.reason == reason


@pytest.mark.parametrize("subset", ["ChinaNews-cn", "Law-cn", "Patent-cn", "TextBook-cn", "WebText-cn", "Wiki-cn"])
def test_the_other_subsets_have_a_text_and_no_category(subset):
    row = document("wanjuan", {"id": f"{subset}-1", "content": "正文"})
    assert (row["text"], row["category"]) == ("正文", "")
