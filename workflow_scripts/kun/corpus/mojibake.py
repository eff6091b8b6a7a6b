"""Text that was read in a wrong encoding, where it can be read again in the right one.

    UTF-8 read as Latin-1 or Windows-1252    ä¸­æ–‡      ftfy knows these, and the ways in which they get damaged
    UTF-8 read as GBK                        涓枃       a run of characters that all together are UTF-8 of Chinese
    GBK read as Latin-1                      ÖÐÎÄ        a run of Latin letters that all together are common Chinese

Each line is judged for itself, so a page with one bad paragraph is repaired. In doubt a text stays as it is: French, Icelandic, a
table of accents and a name with 锛 in it are no mojibake. What lost its bytes on the way (锟斤拷, 烫烫烫, �) stays as well.
"""

import codecs
import re
from functools import cache

# UTF-8 read as GBK always shows some of these: they are what ，。“的一是不在这有国我 begin with, and are rare in Chinese.
_FIRST_HALVES = "锛銆鈥鐨涓鏄浜鍦浠鏈鍥鎴"
_SUSPICIOUS = re.compile(f"[À-ÿ{_FIRST_HALVES}]")
_HALVES = re.compile(f"[{_FIRST_HALVES}]")
_RUN = re.compile(r"[^\x00-\x7f]{3,}")
# The second byte of UTF-8 never stands alone: a letter of its first byte with one of its later bytes, in Latin-1 or Windows-1252.
_UTF8_AS_LATIN = re.compile("[Â-ô][\x80-¿€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]")
_GBK_AS_LATIN = re.compile("[¡-ÿ]{4,}")
_PAIRS = re.compile("[¡-ÿ]{2,}")
_LEFT_OVER = re.compile("[À-ÿ]{3}")  # where it stays after a repair, it was another damage
_CHINESE = re.compile("[\u3000-\u3020\u4e00-\u9fff！-～‘’“”—…·《》]")
_HAN = re.compile("[\u4e00-\u9fff]")


def repaired(text: str) -> str:
    if not _SUSPICIOUS.search(text):
        return text
    if _HALVES.search(text):
        text = "\n".join(_RUN.sub(_utf8_read_as_gbk, line) if _HALVES.search(line) else line for line in text.split("\n"))
    if _UTF8_AS_LATIN.search(text) or _GBK_AS_LATIN.search(text):
        text = "\n".join(map(_latin_line, text.split("\n")))
    return text


def _latin_line(line: str) -> str:
    gbk = _GBK_AS_LATIN.sub(_gbk_read_as_latin, line)
    if gbk != line:
        gbk = _PAIRS.sub(_gbk_read_as_latin, gbk)  # between digits, say: 2020Äê
    utf8 = _ftfy().fix_encoding(line) if _UTF8_AS_LATIN.search(line) else line
    if _LEFT_OVER.search(utf8):
        utf8 = line
    return gbk if _chinese(gbk) > _chinese(utf8) else utf8


@cache
def _ftfy():
    """Imported where it is needed: few texts need it."""
    import ftfy

    return ftfy


def _utf8_read_as_gbk(run: re.Match[str]) -> str:
    found = run[0]
    try:
        # GBK has no character for the byte 0x80 alone: some readers make it €, others �. Only right guesses are UTF-8 below.
        encoded = b"\x80".join(part.encode("gb18030") for part in re.split("[€\ufffd]", found.removesuffix("\ufffd")))
        decoder = codecs.getincrementaldecoder("utf-8")()
        text = decoder.decode(encoded)
    except UnicodeError:
        return found
    if len(text) < 2 or not _is_chinese(text):
        return found
    # The last character's last byte was often read together with the new line after it and is lost.
    return text + "\ufffd" if decoder.getstate()[0] else text


def _gbk_read_as_latin(run: re.Match[str]) -> str:
    found = run[0]
    if len(found) % 2 or (len(found) > 2 and list(found) == sorted(set(found))):  # in the order of the code: a table of letters
        return found
    try:
        text = found.encode("latin-1").decode("gbk")
    except UnicodeError:
        return found
    return text if _is_chinese(text) else found


def _chinese(text: str) -> int:
    return len(_CHINESE.findall(text))


def _is_chinese(text: str) -> bool:
    """Nearly all of it Chinese characters, most of these among the 3,755 of GB2312's first level."""
    codes = [character.encode("gb18030") for character in _HAN.findall(text)]
    common = sum(0xB0 <= code[0] <= 0xD7 and code[1] >= 0xA1 for code in codes)
    return _chinese(text) >= 0.9 * len(text) and common >= 0.6 * len(codes) and (bool(codes) or len(text) == 1)
