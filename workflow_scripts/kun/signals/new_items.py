"""Numbers and Latin names that an answer states and neither its text nor its instruction has: where a model may have made things up.

Numbers are compared by value: ２０２１ is 2021, 1,000 is 1000, 3.50 is 3.5, 3.5万 is 35000, 三十 is 30 and 二〇二一 is 2021. In the answer a Chinese
numeral counts from two characters on, with a unit (三十, 两千) or as four digits, for 一 is in 一个 and 万 in 万一; in what is known even a single
one does, so that 3 is not new where the text says 三. Numbers of a list's items at the beginning of a line or sentence (1. 2、 （3）) state nothing.
Names are words of two Latin letters or more, whatever their case. One pass of each pattern, so time is linear in the length of the text.
"""

import re
from collections.abc import Iterator
from decimal import Decimal

_WIDE = str.maketrans(
    {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B), 0xFF0E)}
)
_MARKER = re.compile(
    r"(?:^|(?<=[。；：！？;]))[ \t>#*•·-]{0,8}"
    r"(?:(?:第|步骤|方法)?[ ]?[(（\[【]?\d{1,3}[步点条章节]?[)）\]】.、．:：]|[(（]?[一二三四五六七八九十]{1,3}[)）、.．:：])(?!\d)",
    re.MULTILINE,
)
_ITEM = re.compile(  # possessive, so that no place is looked at twice
    r"(?P<grouped>\d{1,3}(?:,\d{3}(?!\d))++)|(?P<plain>\d++(?:\.\d++)?+)|(?P<chinese>[零〇一二三四五六七八九两十百千万亿]++)"
    r"|(?P<name>[A-Za-z\u00c0-\u024f][0-9A-Za-z\u00c0-\u024f]*+)"
)
_UNIT = re.compile("[百千万亿]{1,2}")
_DIGITS = {digit: value for value, digits in enumerate(("零〇", "一", "二两", *"三四五六七八九")) for digit in digits}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_SECTIONS = {"万": 10**4, "亿": 10**8}
_LONGEST = 24  # characters of a number that is reckoned with; longer ones are codes, compared as they are written


def new_items(answer: str, *known: str) -> list[str]:
    """What the answer states and none of `known` does, each once, in order: numbers by value, names as written."""
    held = {form for text in known for _, forms in _items(text, single=True) for form in forms}
    found: dict[str, str] = {}
    for shown, forms in _items(_MARKER.sub("\n", answer.translate(_WIDE)), single=False):
        if held.isdisjoint(forms):
            found.setdefault(forms[0], shown)
    return list(found.values())


def _items(text: str, single: bool) -> Iterator[tuple[str, list[str]]]:
    """(as it is shown, the forms that it is compared in) of each number and name; `single`: also of a single Chinese numeral."""
    text = text.translate(_WIDE)
    for found in _ITEM.finditer(text):
        written = found[0]
        if found["name"]:
            if len(written) > 1:
                yield written, [written.lower()]
        elif found["chinese"]:
            value = chinese_number(written) if single or len(written) > 1 else None
            if value is not None:
                yield value, [value]
        else:
            value = _plain(written.replace(",", ""))
            unit = _UNIT.match(text, found.end())
            yield value, [value, *([_times(value, unit[0])] if unit and len(value) <= _LONGEST else [])]


def _plain(number: str) -> str:
    """Without zeros that say nothing."""
    whole, _, part = number.partition(".")
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    return f"{whole}.{part}" if part else whole


def _times(number: str, units: str) -> str:
    value = Decimal(number)
    for unit in units:
        value *= _UNITS.get(unit) or _SECTIONS[unit]
    return _plain(format(value, "f"))


def chinese_number(numeral: str) -> str | None:
    """The value of 三十, 两千零五, 二〇二一 …; None for what is no number (万一, 三三两两) or says it loosely (三四百)."""
    if len(numeral) > _LONGEST:
        return None
    if all(sign in _DIGITS and (sign != "两" or len(numeral) == 1) for sign in numeral):
        digits = "".join(str(_DIGITS[sign]) for sign in numeral)
        return _plain(digits) if len(digits) == 1 or len(digits) >= 4 else None
    total = section = 0
    digit: int | None = None
    least = 10**12  # the unit before; within a section units fall
    for place, sign in enumerate(numeral):
        if sign in _DIGITS:
            if digit not in (None, 0):
                return None
            digit = _DIGITS[sign]
        elif sign in _UNITS:
            if (digit is None and not (sign == "十" and place == 0)) or digit == 0 or _UNITS[sign] >= least:
                return None
            section += (1 if digit is None else digit) * _UNITS[sign]
            digit, least = None, _UNITS[sign]
        else:
            if section + (digit or 0) == 0:
                return None
            if sign == "亿" or not total:
                total, section = (total + section + (digit or 0)) * _SECTIONS[sign], 0
            else:
                total, section = total + (section + (digit or 0)) * _SECTIONS[sign], 0
            digit, least = None, 10**12
    return str(total + section + (digit or 0))
