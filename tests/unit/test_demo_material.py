"""The demo's material: texts out of tagged words and Markdown, spoiled records, containers. No network, no packages."""

import gzip
import io
import json
import tarfile
import unicodedata

import pytest

from kun.demo import containers, english, manuals, news, reviews, shards, spoiled
from kun.demo.texts import Text, content_hash, without_repeats

# ------------------------------------------------------------------------------------------------------------------ news


def test_tags_and_brackets_are_dropped():
    line = "[中央/n  人民/n  广播/vn  电台/n]nt  １９９８年/t  播出/v  ５１．７/m  ％/q  ———/w"
    words = [word for word, _ in news.tagged_words(line)]
    assert news.joined(words) == "中央人民广播电台1998年播出51.7%——"


def test_a_slash_may_be_a_word():
    assert news.tagged_words("／/w  //w") == [("／", "w"), ("/", "w")]


def tagged(*lines: str) -> str:
    return "\n".join(f"{line}/n" for line in lines)


BODY = "丹顶鹤是国家一级珍禽，目前世界上仅存两千多只，大多数分布在我国。" * 3


def test_an_item_has_its_title_and_loses_dateline_and_signature():
    items, rest = news.news(
        tagged(
            "上一篇的末尾。", "千只丹顶鹤光顾盐城", "本报北京１月６日讯记者李志勇报道：" + BODY, BODY + "（李志勇）", "下一篇的标题"
        )
    )
    assert items == [Text(f"{BODY}\n{BODY}", "千只丹顶鹤光顾盐城", news.category_of(BODY))]
    assert rest == []


def test_paragraphs_of_an_item_are_not_given_out_twice():
    items, rest = news.news(tagged("标题有六个字", "本报讯" + BODY, BODY, "另一个短标题", BODY))
    assert [item.content for item in items] == [f"{BODY}\n{BODY}"]
    assert [paragraph.content for paragraph in rest] == [BODY]


def test_uneven_quotes_drop_an_item():
    assert news.news(tagged("标题有六个字", "本报讯“" + BODY))[0] == []


def test_category_needs_two_hits():
    assert news.category_of("球队在联赛中夺得冠军") == "体育"
    assert news.category_of("他去了银行。") == "新闻"


# --------------------------------------------------------------------------------------------------------------- reviews


def test_punctuation_beside_chinese_becomes_chinese():
    assert reviews.tidied(" 房间不错,价格3.5折!很好. ") == "房间不错，价格3.5折！很好。"


def test_a_whole_review_names_its_subject():
    review = "酒店位置很好，房间宽敞干净，早餐品种丰富。服务员态度也热情。从车站走过来只要五分钟，附近还有一条安静的老街可以散步，晚上灯光很美。"
    assert reviews.is_fluent(review)
    assert reviews.is_whole_review(review)
    assert not reviews.is_whole_review("另外" + review)


# --------------------------------------------------------------------------------------------------------------- manuals

MESG = """mesg
===

设置当前终端的写权限

## 补充说明

**mesg命令** 用于设置当前终端的`写权限`，参见[write](http://example.org)。

###  语法

```shell
mesg(参数)
```

###  选项

```shell
-v,   --verbose     # 显示**详细**信息；
# 这不是标题；
```

## 实例

一个例子
"""


def test_markdown_becomes_plain_text():
    assert manuals.shortened("mesg", MESG).split("\n") == [
        "mesg命令用于设置当前终端的写权限，参见write。",
        "语法：mesg(参数)",
        "选项：",
        "-v, --verbose # 显示**详细**信息；",
        "# 这不是标题。",
    ]


def test_the_whole_page_keeps_its_examples():
    assert manuals.full_text("mesg", MESG).endswith("实例：\n一个例子")


@pytest.mark.parametrize(
    ("summary", "explanation", "first"),
    [
        ("用于测试。", [], "x命令用于测试。"),
        ("测试程序", [], "x命令：测试程序。"),
        ("x命令 用来测试", [], "x命令用来测试。"),
        ("测试", ["x命令x类似于y"], "x类似于y"),
        ("测试", ["x命令", "用于测试"], "x命令用于测试"),
        ("测试", ["这是说明。"], "x命令：测试。"),
    ],
)
def test_a_page_opens_with_its_command(summary, explanation, first):
    assert manuals.opening("x", summary, explanation)[0] == first


def test_a_shortened_page_ends_with_a_whole_line():
    options = "\n".join(f"-{number}：第{number}个选项的说明文字；" for number in range(100))
    short = manuals.shortened("x", f"x\n===\n\n用于测试\n\n## 选项\n\n```\n{options}\n```\n")
    assert 400 < len(short) <= manuals.LONGEST
    assert short.endswith("个选项的说明文字。")


# --------------------------------------------------------------------------------------------------------------- english


def test_english_prose_loses_its_marks():
    assert (
        english.plain_prose("See ``this`` and\n`that one <there.html>`__ or *other_* [#x]_.") == "See this and that one or other."
    )
    assert not english.is_prose("- a list of things that ends well.")


# --------------------------------------------------------------------------------------------------------------- spoiled


def test_salad_is_the_same_each_time_and_of_natural_length():
    words = ["今天", "，", "天气", "很", "好", "。"]
    salad = spoiled.word_salad(words, 20, seed=1)
    assert salad == spoiled.word_salad(words, 20, seed=1)
    assert salad != spoiled.word_salad(words, 20, seed=2)
    assert all(50 <= len(text.content) <= 310 for text in salad)
    # Pinned: another Python must draw the same words.
    assert content_hash("".join(text.content for text in salad)) == "988f189072486fa830c2fba4e9b2c807"


def test_concatenations_are_too_long_and_share_nothing():
    texts = [Text(f"{number:04}" * 100) for number in range(12)]
    first, second = spoiled.concatenations(texts, 2)
    assert len(first.content) >= spoiled.TOO_LONG
    assert not set(first.content.split("\n")) & set(second.content.split("\n"))
    with pytest.raises(ValueError, match="not enough"):
        spoiled.concatenations(texts, 4)


@pytest.mark.parametrize("form", spoiled.DUPLICATE_FORMS)
def test_duplicates_are_equal_once_normalised(form):
    content = "ls命令（list）用于显示目录内容，见下：\n-a：显示隐藏文件；\n-1：每行一个！"
    copy = unicodedata.normalize("NFKC", form(content)).split()
    assert copy == unicodedata.normalize("NFKC", content).split()
    assert len(without_repeats([Text(content), Text(form(content))])) == 1


@pytest.mark.parametrize("hostile", spoiled.HOSTILE.values(), ids=list(spoiled.HOSTILE))
def test_hostile_texts_travel_unchanged(hostile):
    content = spoiled.with_inserted("第一句。第二句。", hostile)
    assert content == f"第一句。{hostile}第二句。"
    record = containers.Record(Text(content), "hostile")
    lines = containers.skypile("x", [record]).split(b"\n")
    assert json.loads(lines[0]) == {"text": content}
    assert lines[1:] == [b""]


@pytest.mark.parametrize("damage", sorted({*spoiled.IN_LINES, *spoiled.IN_ARRAY}))
def test_each_damage_is_felt(damage):
    line = spoiled.damaged({"id": 1, "text": "一段正常的文字，用来损坏。"}, "text", damage)
    assert b"\n" not in line
    if damage == "not UTF-8":
        with pytest.raises(UnicodeDecodeError):
            line.decode("utf-8")
    elif damage == "cut off":
        with pytest.raises(json.JSONDecodeError):
            json.loads(line)
    else:
        assert not isinstance(json.loads(line).get("text"), str)


# ------------------------------------------------------------------------------------------------------------ containers

RECORDS = [containers.Record(Text(f"第{number}条，内容。", "题"), "good") for number in range(3)]


def test_gzip_is_readable_and_holds_no_date():
    for size in (0, 1, 65535, 65536, 200_000):
        content = bytes(index % 251 for index in range(size))
        packed = containers.gzipped(content)
        assert gzip.decompress(packed) == content
        assert packed[4:8] == bytes(4)


def test_wanjuan_is_a_tar_of_one_jsonl():
    packed = containers.wanjuan("a/part-000001-00000000.jsonl.tar.gz", RECORDS)
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        (member,) = tar.getmembers()
        rows = [json.loads(line) for line in tar.extractfile(member)]
    assert (member.name, member.mtime, member.uid) == ("part-000001-00000000.jsonl", 0, 0)
    assert [row["content"] for row in rows] == [record.text.content for record in RECORDS]
    assert len({row["id"] for row in rows}) == 3


def test_wudao_is_an_array_even_when_damaged():
    records = [*RECORDS, *(containers.Record(Text("坏的"), "damaged", damage) for damage in spoiled.IN_ARRAY)]
    rows = json.loads(containers.wudao("x.json", records))
    assert [row["id"] for row in rows] == [1, 2, 3, 4, 5, 6, 7]
    assert list(rows[0]) == ["id", "uniqueKey", "titleUkey", "dataType", "title", "content"]
    assert rows[0]["titleUkey"] == rows[1]["titleUkey"] != rows[3]["titleUkey"]
    assert not any(isinstance(row.get("content"), str) for row in rows[3:])


def test_containers_are_the_same_bytes_each_time():
    for corpus in shards.CORPORA:
        assert corpus.write(corpus.files[0], RECORDS) == corpus.write(corpus.files[0], RECORDS)


def test_file_order_does_not_depend_on_the_order_given():
    assert containers.in_file_order(RECORDS) == containers.in_file_order(RECORDS[::-1])


# ---------------------------------------------------------------------------------------------------------------- shards


def test_copies_go_to_the_same_file_its_sister_and_another_corpus():
    first, second = shards.CORPORA[0].files
    assert [shards.copy_place(0, place) for place in range(3)] == [first, first, shards.CORPORA[1].files[0]]
    assert [shards.copy_place(0, place) for place in range(3, 6)] == [second, second, shards.CORPORA[1].files[1]]


def test_no_text_is_both_reference_and_document():
    items = [Text(f"第{number}篇报道，讲述一件小事。", "标题") for number in range(200)]
    lines = [Text(f"这本书的第{number}个故事，文字优美，人物生动。" * 4) for number in range(200)]
    pages = [manuals.Page(Text(f"x{number}命令。"), Text(f"x{number}命令。" * 300)) for number in range(200)]
    parts = shards.split(shards.Sources(items, [], lines, pages, [], []))
    reference = {text.content for texts in parts.reference.values() for text in texts}
    used = {text.content for texts in (*parts.fit.values(), parts.spare, parts.long_pages) for text in texts}
    assert not reference & used
    assert 30 < len(parts.reference["news"]) < 70
    assert len(parts.long_pages) == shards.TOO_LONG
