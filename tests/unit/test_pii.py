"""Personal data in texts. All numbers here are made: their check digits are computed, nobody has them on purpose."""

import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kun.signals.pii import MASKS, count, find, is_bank_card, is_id_card, mask


def id_card(body: str) -> str:
    weights = [2 ** (17 - place) % 11 for place in range(17)]
    return body + "10X98765432"[sum(weight * int(digit) for weight, digit in zip(weights, body, strict=True)) % 11]


def bank_card(body: str) -> str:
    return next(body + digit for digit in "0123456789" if luhn(body + digit) % 10 == 0)


def luhn(digits: str) -> int:
    return sum(sum(divmod(int(digit) * 2, 10)) if place % 2 else int(digit) for place, digit in enumerate(reversed(digits)))


ID = id_card("11010119900101001")
ID_X = next(id_card(f"4403041985123100{digit}") for digit in range(10) if id_card(f"4403041985123100{digit}").endswith("X"))
CARD = bank_card("622200000000000000")
OLD_CARD = bank_card("955800000000000000")
VISA = bank_card("400000000000000")
MOBILE = "13800000000"


def kinds(text: str) -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.end]) for one in find(text)]


@pytest.mark.parametrize(
    ("text", "kind", "number"),
    [
        (f"电话{MOBILE}。", "mobile", MOBILE),
        ("手机：138-0000-0000", "mobile", "138-0000-0000"),
        ("手机 138 0000 0000，", "mobile", "138 0000 0000"),
        ("拨+86 13800000000", "mobile", "+86 13800000000"),
        ("拨008613800000000或", "mobile", "008613800000000"),
        ("Tel:+86-199-0000-0000", "mobile", "+86-199-0000-0000"),
        (f"身份证{ID}号", "id_card", ID),
        (f"身份证：{ID_X}", "id_card", ID_X),
        (f"身份证：{ID_X.lower()}", "id_card", ID_X.lower()),
        (f"{ID[:6]} {ID[6:14]} {ID[14:]}", "id_card", f"{ID[:6]} {ID[6:14]} {ID[14:]}"),
        ("老证110101900101001", "id_card", "110101900101001"),
        (f"卡号{CARD}", "bank_card", CARD),
        (f"工行{OLD_CARD}", "bank_card", OLD_CARD),
        (f"卡号{' '.join(CARD[place : place + 4] for place in range(0, 19, 4))}，", "bank_card", None),
        (f"卡号{'-'.join(VISA[place : place + 4] for place in range(0, 16, 4))}", "bank_card", None),
        ("邮箱zhang.san+x@mail.example.com.cn。", "email", "zhang.san+x@mail.example.com.cn"),
        ("<a_b-c@163.com>", "email", "a_b-c@163.com"),
        ("见...a@b.cn", "email", "a@b.cn"),
        ("QQ：123456", "qq", "123456"),
        ("加QQ群 987654321吧", "qq", "987654321"),
        ("扣扣是1234567", "qq", "1234567"),
        ("Q: 7654321", "qq", "7654321"),
        ("微信号：zhang_san-1", "wechat", "zhang_san-1"),
        ("加微信zhang520就好", "wechat", "zhang520"),
        ("加V信：abcdef", "wechat", "abcdef"),
        ("vx:abc123456", "wechat", "abc123456"),
        (f"微信{MOBILE}", "wechat", MOBILE),
    ],
)
def test_each_kind_is_found_where_it_stands(text, kind, number):
    [(found, what)] = kinds(text)
    assert found == kind
    assert what == number if number else what in text and len(what) >= 19
    assert count(text) == {kind: 1}
    assert mask(text) == text.replace(what, MASKS[kind])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "一九九〇年一月一日出生，今年三十岁",
        "2020-05-06 10:20:30，第12345号，编号123456789",
        f"1{MOBILE} {MOBILE}9 3.{MOBILE} {MOBILE}.5 {MOBILE}-12",
        "12800000000 1380000000 23800000000",
        "表：12 160 8232 8233",
        "表：133 0000 0000 5",
        ID[:-1] + ("1" if ID[-1] != "1" else "2"),
        id_card("11010119901301001"),  # thirteenth month
        id_card("11010119900230001"),
        id_card("16010119900101001"),  # no province
        "110101901301001",
        CARD[:-1] + str((int(CARD[-1]) + 1) % 10),
        bank_card("612200000000000000"),
        "a@b @张三 张三@李四 x@localhost logo@2x.png pkg@1.2.3 @163.com",
        "QQ2010版 QQ音乐 QQ 1234 我用QQ，12345人 EQQ：123456",
        "微信Android版 微信iPhone 关注微信公众号 微信abcde wxRedirect shortcut vxworks",
        "微信支付 每月5元 we have seven",
        "０１２３４５６７８９",
    ],
)
def test_what_only_looks_like_it_does_not_count(text):
    assert kinds(text) == []
    assert (count(text), mask(text)) == ({}, text)


def test_the_most_specific_kind_wins_and_nothing_overlaps():
    text = f"{MOBILE}@139.com，身份证{ID}，QQ：{MOBILE}，卡{CARD}，微信：{MOBILE}，{MOBILE} {MOBILE}"
    assert [kind for kind, _ in kinds(text)] == ["email", "id_card", "qq", "bank_card", "wechat", "mobile", "mobile"]
    spans = [(one.start, one.end) for one in find(text)]
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_an_id_card_that_is_also_a_bank_card_is_an_id_card():
    numbers = (id_card(f"62010119900101{serial:03}") for serial in range(1000))
    both = next(number for number in numbers if number.isdigit() and is_bank_card(number) and is_id_card(number))
    assert kinds(f"号码{both}") == [("id_card", both)]


def test_a_mask_leaves_the_word_and_the_rest():
    assert mask(f"{MOBILE} 138 0000 0000") == "【手机号】 【手机号】"
    assert (
        mask(f"张三（QQ：123456，电话{MOBILE}）住在北京，邮箱a@b.cn")
        == "张三（QQ：【QQ号】，电话【手机号】）住在北京，邮箱【邮箱】"
    )
    assert mask(f"微信号：abc_123\n身份证{ID}；卡{CARD}") == "微信号：【微信号】\n身份证【身份证号】；卡【银行卡号】"


WORDS = [
    "@",
    "a@b.com",
    ".com",
    "QQ：",
    "QQ群",
    "123456",
    "微信号",
    "vx:",
    "加V信",
    "abc_123",
    "：",
    "-",
    " ",
    ".",
    "+86",
    "0",
    "1",
    "x",
]
NUMBERS = [MOBILE, "138 0000 0000", ID, ID_X, CARD, VISA]
PIECES = st.sampled_from([*WORDS, *NUMBERS, "X", "中", "\n", "😀", "\ud800", "】", *MASKS.values()])


@settings(max_examples=400, deadline=None, database=None)
@given(st.lists(PIECES, max_size=10).map("".join))
def test_masking_twice_changes_nothing_and_leaves_nothing_to_find(text):
    once = mask(text)
    assert mask(once) == once and count(once) == {}
    assert sum(count(text).values()) == len(find(text))


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "a@",
        "a@a@a@",
        "@",
        "a.",
        "a@a.",
        "138 ",
        "QQ",
        "QQ：1",
        "微信",
        "微信a-",
        "6222 ",
        "1-",
        f"{MOBILE} ",
        "vx:abcdefghij-13800000000x ",
    ],
)
def test_time_grows_as_the_text_does(piece):
    """A tenth of a second here; a quadratic search would take minutes."""
    began = time.process_time()
    mask(piece * (200_000 // len(piece)))
    assert time.process_time() - began < 5
