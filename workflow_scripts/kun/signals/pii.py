"""Personal data by which somebody in mainland China can be reached or known: where it stands, how much, and the text without it.

    mobile      13800000000, 138-0000-0000, +86 138 0000 0000
    id_card     18 digits with a true birth date and check digit, or 15 of the old form with a true birth date
    bank_card   16 to 19 digits, also in groups of four, with an issuer's prefix and a true check digit (Luhn)
    email
    qq          a number after QQ, QQ群, 扣扣 …: the number alone says nothing
    wechat      an id or a mobile number after 微信, V信, vx …

Numbers inside longer numbers, decimals and hyphened codes do not count. Names and addresses are beyond patterns. Digits are taken
to be ordinary ones: normalise first.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial
from typing import NamedTuple

MASKS = {
    "mobile": "【手机号】",
    "id_card": "【身份证号】",
    "bank_card": "【银行卡号】",
    "email": "【邮箱】",
    "qq": "【QQ号】",
    "wechat": "【微信号】",
}


class Found(NamedTuple):
    kind: str
    start: int
    end: int


# Cheap searches first: most texts have no @, no run of figures and no word for QQ or WeChat.
_FIVE_DIGITS = re.compile("[0-9][0-9][0-9][0-9][0-9]")
_LONG_NUMBER = re.compile("[0-9][0-9 -]{9,}")  # the shortest of the numbers has eleven digits
_QQ_WORD = re.compile("[Qq扣企加＋+](?:[Qq]|扣|鹅|\\s{0,2}[:：])")
_WECHAT_WORD = re.compile("[微薇威加VvＶWw](?:信|[VvＶXx]|e[Cc]hat)")

_LOCAL = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._%+-"
_DOMAIN = re.compile(r"(?:[0-9A-Za-z](?:[0-9A-Za-z-]{0,61}[0-9A-Za-z])?\.){1,6}([A-Za-z]{2,24})")
_FILES = {"png", "jpg", "jpeg", "gif", "webp", "svg", "css", "js"}  # logo@2x.png

_QQ = re.compile(
    r"(?:(?<![A-Za-z])[Qq]{2}|扣扣|企鹅|[加＋+][Qq]|(?<![A-Za-z])[Qq](?=\s{0,2}[:：]))"
    r"(?:交流|讨论|粉丝|官方|客服|咨询|玩家|技术|学习|在线|联系|福利|报名)?(?:群号码?|群聊?|号码?)?"
    r"\s{0,3}(?:[:：是为]\s{0,3})?([1-9][0-9]{4,10})(?![0-9])"
)
_WECHAT = re.compile(
    r"(?:微信(?:账号|帐号|号码?)|[VvＶ薇威]信号?\s{0,2}[:：]|微信群?\s{0,2}[:：是为]"
    r"|(?<![A-Za-z])(?:[Ww]e[Cc]hat|[VvWw][Xx])号?\s{0,2}[:：]"
    # Without a colon or 号 it may be any word: 微信Android版.
    r"|(?:微信|[VvＶ薇]信|加[VvＶ]|(?<![A-Za-z])[VvWw][Xx])(?=\s{0,3}[A-Za-z_-]{0,19}[0-9]))"
    r"\s{0,3}(?:[:：是为]\s{0,3})?(1[3-9][0-9]{9}(?![0-9])|[A-Za-z][0-9A-Za-z_-]{5,19})"
)

# One frame for all numbers, the same on both sides: which of two neighbours is looked at first must not matter.
_FRAMED = r"(?<![0-9Xx])(?<![0-9Xx][.-])(?:{})(?![0-9])(?![.-][0-9])"
_ID_CARD = re.compile(_FRAMED.format(r"[1-8][0-9]{5}[ -]?[12][0-9]{7}[ -]?[0-9]{3}[0-9Xx]|[1-8][0-9]{14}"))
_BANK_CARD = re.compile(_FRAMED.format(r"[3-69][0-9]{15,18}|[3-69][0-9]{3}(?:[ -][0-9]{4}){3}(?:[ -][0-9]{1,3})?"))
_MOBILE = re.compile(
    _FRAMED.format(r"(?:(?:\+|00)?86[ -]?)?1[3-9][0-9](?:[0-9]{8}|(?<![0-9] ...)[ -][0-9]{4}[ -][0-9]{4}(?! [0-9]))")
)
_ISSUERS = re.compile("62|4|5[1-5]|35|9558|6011|65")
_PROVINCES = "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83"


def find(text: str) -> list[Found]:
    """What stands where, in the text's order; nothing overlaps."""
    # What an @ or a word makes certain comes first, then what has a check digit. Each kind is looked for where the earlier are not.
    searches: list[tuple[str, Callable[[str], Iterator[tuple[int, int]]]]] = []
    if "@" in text:
        searches += [("email", _emails)]
    if _WECHAT_WORD.search(text):
        searches += [("wechat", partial(_after_a_word, _WECHAT))]
    if _FIVE_DIGITS.search(text) and _QQ_WORD.search(text):
        searches += [("qq", partial(_after_a_word, _QQ))]
    if _LONG_NUMBER.search(text):
        searches += [
            ("id_card", partial(_numbers, _ID_CARD, is_id_card)),
            ("bank_card", partial(_numbers, _BANK_CARD, is_bank_card)),
            ("mobile", partial(_numbers, _MOBILE, bool)),
        ]
    if not searches:
        return []
    found: list[Found] = []
    for kind, search in searches:
        spans = list(search(text))
        found += (Found(kind, start, end) for start, end in spans)
        text = _covered(text, spans)
    return sorted(found, key=lambda one: one.start)


def count(text: str) -> dict[str, int]:
    found = find(text)
    return dict(Counter(one.kind for one in found)) if found else {}


def mask(text: str) -> str:
    """The text with the kind in place of each: QQ：【QQ号】. Masking twice changes nothing."""
    while found := find(text):
        pieces, position = [], 0
        for one in found:
            pieces += text[position : one.start], MASKS[one.kind]
            position = one.end
        text = "".join(pieces) + text[position:]
    return text


def is_id_card(digits: str) -> bool:
    if digits[:2] not in _PROVINCES.split():
        return False
    if len(digits) == 15:
        return _is_date("19" + digits[6:12])
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    check = sum(weight * int(digit) for weight, digit in zip(weights, digits, strict=False))
    return _is_date(digits[6:14]) and "10X98765432"[check % 11] == digits[17].upper()


def is_bank_card(digits: str) -> bool:
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits)))
    return bool(_ISSUERS.match(digits)) and sum(number - 9 * (number > 9) for number in doubled) % 10 == 0


def _is_date(digits: str) -> bool:
    try:
        return 1880 <= date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).year <= 2100
    except ValueError:
        return False


def _emails(text: str) -> Iterator[tuple[int, int]]:
    """From each @ outwards: a pattern that begins with the name would look for an @ after every word."""
    after, at = 0, text.find("@")
    while at >= 0:
        before = text[max(after, at - 64) : at]
        name = before[len(before.rstrip(_LOCAL)) :].lstrip("._%+-")
        domain = _DOMAIN.match(text, at + 1) if name else None
        if domain and domain[1].lower() not in _FILES:
            after = domain.end()
            yield at - len(name), after
        at = text.find("@", at + 1)


def _after_a_word(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, int]]:
    return (match.span(1) for match in pattern.finditer(text))


def _numbers(pattern: re.Pattern[str], holds: Callable[[str], bool], text: str) -> Iterator[tuple[int, int]]:
    """Only around runs of figures: elsewhere the frame would be tried at every character."""
    for run in _LONG_NUMBER.finditer(text):
        for match in pattern.finditer(text, max(run.start() - 4, 0), run.end() + 3):
            if holds(match[0].replace(" ", "").replace("-", "")):
                yield match.span()


def _covered(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with as many signs in the spans' place as they are long."""
    pieces, position = [], 0
    for start, end in spans:
        pieces += text[position:start], "】" * (end - start)
        position = end
    return "".join(pieces) + text[position:] if spans else text
