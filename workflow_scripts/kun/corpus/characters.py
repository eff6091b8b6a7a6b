"""The characters of a text as people should read them: what nobody sees goes, odd forms of ordinary characters become ordinary.

Not NFKC, which would also turn ，：；！？ into ASCII and take ①, ℃, ㎡, ², ½ and … apart: NFC, and by hand the forms that are read
as the ordinary character and only keep equal texts from being equal:
- full-width letters and digits, and ．＠／－＿ between them (３．５, ａ＠ｂ); the other full-width signs are Chinese punctuation;
- half-width katakana, Hangul and 。「」、; small forms (﹐﹔); ligatures (ﬁ); the letters of mathematics (𝐀), which dress up spam;
- radicals that look like Han characters but are other code points (⼀ for 一, ⻋ for 车), which PDFs are full of;
- spaces of any width. Variation selectors of Han characters, private characters and fillers go: no font of the reader's shows them.
"""

import re
import unicodedata
from functools import cache

# All characters that need no look; the rest is decided on one by one. A single search for the rest is what a clean text costs.
_UNUSUAL = re.compile(
    "[^\t\n -~\u00a1-\u00ac\u00ae-\u02ff\u0391-\u03a1\u03a3-\u03a9\u03b1-\u03c9\u0410-\u044f\u2010-\u2027\u2030-\u205e\u2070-\u209f"
    "\u20a0-\u20bf\u2100-\u2125\u2150-\u2188\u2190-\u2328\u232b-\u23ff\u2460-\u27bf\u3001-\u3029\u3030-\u303e\u3041-\u3096"
    "\u30a1-\u30fe\u3200-\u33ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\ufe0f！-，：-？［-＾｀｛-～￠￡￥"
    "\U0001f300-\U0001faff\U00020000-\U0002a6df]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_END = "\x0b\x0c\r\x1c\x1d\x1e\x85\u2028\u2029"
# Seen by nobody, though their category says letter, mark or sign.
_FILLER = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0\ufffc"
_FOLDED = re.compile("[０-９Ａ-Ｚａ-ｚ\u2f00-\u2fd5\ufb00-\ufb06\uff61-\uff9f\uffa1-\uffdc\U0001d400-\U0001d7ff]")
_ALIKE = dict(
    zip(
        "﹐﹑﹒﹔﹕﹖﹗﹙﹚﹛﹜﹝﹞⺟⺠⻁⻄⻅⻆⻉⻋⻓⻔⻘⻙⻚⻛⻜⻝⻢⻣⻤⻥⻦⻨⻩⻬⻮⻰⻳",
        "，、．；：？！（）｛｝〔〕母民虎西见角贝车长门青韦页风飞食马骨鬼鱼鸟麦黄齐齿龙龟",
        strict=True,
    )
)
MOST_MARKS = 30  # on one character
_IN_A_WORD = re.compile("(?<=[0-9A-Za-z])[．＠／－＿](?=[0-9A-Za-z])")
_PICTURE = "\u2190-\u2bff\U0001f000-\U0001faff"
_IDLE_JOINER = re.compile(f"(?<![{_PICTURE}\ufe0f])\u200d|\u200d(?![{_PICTURE}])")  # one that joins no emoji


def plain(text: str) -> str:
    """The text in ordinary characters. Line ends become new lines; spaces stay as many as they were."""
    if not _UNUSUAL.search(text):
        return text
    if _SURROGATE.search(text):  # two halves of one character become that character, a lone half goes
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    text, unusual = _UNUSUAL.subn(_ordinary, text.replace("\r\n", "\n"))
    if unusual > MOST_MARKS:  # every mark is one
        text = _crowds().sub(lambda marks: marks[0][:MOST_MARKS], text)
    text = unicodedata.normalize("NFC", text)
    text = _IN_A_WORD.sub(lambda sign: chr(ord(sign[0]) - 0xFEE0), text)
    return _IDLE_JOINER.sub("", text)


@cache
def _crowds() -> re.Pattern[str]:
    """More marks on one character than any language writes: sorting them takes the square of their number (Unicode's UAX 15 draws the
    line at 30 as well, for its stream-safe form)."""
    marks = "".join(chr(code) for code in range(0x300, 0x1F000) if unicodedata.combining(chr(code)))
    return re.compile(f"[{marks}]{{{MOST_MARKS + 1},}}")


def _ordinary(found: re.Match[str]) -> str:
    return _TABLE[found[0]]


class _Table(dict):
    """Decides on each character once."""

    def __missing__(self, character: str) -> str:
        self[character] = _decide(character)
        return self[character]


_TABLE = _Table(_ALIKE)


def _decide(character: str) -> str:
    category = unicodedata.category(character)
    if character in _LINE_END:
        return "\n"
    if category == "Zs":
        return " "
    if _FOLDED.match(character):
        return unicodedata.normalize("NFKC", character)
    if (category in ("Cc", "Cf", "Co") and character != "\u200d") or character in _FILLER or _selects(character):
        return ""
    # Unassigned ones stay, for which they are depends on Python's Unicode version, and a text's id must not. These will never be.
    return "" if ord(character) & 0xFFFE == 0xFFFE or "\ufdd0" <= character <= "\ufdef" else character


def _selects(character: str) -> bool:
    """Whether it chooses among the forms of the character before it; those of emoji and text style stay."""
    return "\ufe00" <= character <= "\ufe0d" or "\U000e0100" <= character <= "\U000e01ef"
