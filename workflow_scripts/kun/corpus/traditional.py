"""Traditional Chinese as Simplified, by OpenCC's characters and phrases (乾隆 and 瞭望 stay, 乾杯 and 明瞭 do not)."""

import re
from functools import cache

_HAN = [*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000), *range(0xF900, 0xFB00)]


@cache
def _converter():
    """One for the process, made when the first text needs it: reading the dictionaries takes a while."""
    import opencc

    return opencc.OpenCC("t2s")


@cache
def _traditional() -> re.Pattern[str]:
    """Characters that OpenCC changes, and all beyond the first plane, which are rare.

    Searching for them takes a tenth of the time that converting takes. It also keeps OpenCC away from Simplified text: some of its
    phrases consist of characters that both scripts have, and would make 损坏子系统 into 损坯子系统 and 颠覆成 into 颠复成.
    """
    converted = _converter().convert("\n".join(map(chr, _HAN))).split("\n")
    changed = "".join(chr(code) for code, simplified in zip(_HAN, converted, strict=True) if chr(code) != simplified)
    return re.compile(f"[{changed}\U00020000-\U0003ffff]")


def simplified(text: str) -> str:
    """The text with every line simplified that has a Traditional character."""
    found = _traditional().search
    if not found(text):
        return text
    return "\n".join(_converter().convert(line) if found(line) else line for line in text.split("\n"))
