"""What is left of HTML and BBCode in a text: entities become characters, tags go or end a line, scripts go with their content.

Only names of HTML elements in the shape of a tag count, so `a < b 且 c > d`, `vector<int>`, `<|im_end|>`, `<未知>`, `<s>` (begin of
text to models) and `<name@example.com>` are text. Entities come first, because `&lt;br&gt;` in a web text is markup that was
escaped once too often. A text about HTML keeps its tags where they stand in Markdown's code, `<br>` or
fenced, and loses the others. Every pattern is bounded by the next bracket: linear.
"""

import html
import re
from html.entities import html5

_ROUNDS = 4  # `&amp;lt;br&gt;` takes two; who nests deeper means harm

_ENTITY = re.compile(
    r"&(?:amp;)+"  # &amp;amp;lt; in one go
    r"|&(?:\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"
    r"|&nbsp(?![A-Za-z0-9=])|(?<![A-Za-z0-9&])nbsp;"  # as crawlers often leave it
)

_CODE = re.compile(r"```.*?```|`[^`\n]{1,200}`", re.DOTALL)
_HIDDEN_CODE = re.compile("\ufdd0([0-9]+)\ufdd1")

_LINES = (
    "address article aside blockquote body br caption center dd dir div dl dt fieldset figcaption figure footer form frameset "
    "h1 h2 h3 h4 h5 h6 head header hr html li main menu nav noscript ol option p pre section table tbody tfoot thead title tr ul"
)
_IN_LINE = (
    "a abbr acronym area b base bdo big button cite code col colgroup del dfn em embed font frame i iframe img input ins kbd label "
    "legend link marquee meta nobr optgroup param script select small span strike strong style sub sup svg td "
    "textarea th tt u video wbr "
    "[ovw]:[a-z]+ st1:[a-z]+"  # Microsoft Office's
)


def _tag(names: str) -> str:
    """A pattern of tags: a name in one case (Java's List<Object> has two), then nothing or what begins like an attribute."""
    lower = "|".join(names.split())
    upper = "|".join(name if len(name) > 1 else f"(?<![0-9A-Za-z]<){name}" for name in names.upper().split() if ":" not in name)
    switch = "allowfullscreen|async|checked|controls|defer|disabled|hidden|noshade|nowrap|selected"
    attribute = rf"[A-Za-z_:@.-][0-9A-Za-z_:.-]*+\s*+=|(?:{switch})\b"
    attributes = rf"""\s++(?={attribute})(?:(?:[^<>"']|"[^"<]*"|'[^'<]*')*+>|[^<>]*>)"""
    return rf"(?:</(?:{lower}|{names.upper().replace(' ', '|')})\s*+>|<(?:{lower}|{upper})(?:\s*+/?>|{attributes}))"


_LINE_TAG = re.compile(_tag(_LINES))
_OTHER_TAG = re.compile(_tag(_IN_LINE) + r"|</?object(?=[\s>])[^<>]*>|<[?!](?:xml|doctype|DOCTYPE|\[if|\[endif)[^<>]*>")
_HIDDEN = [
    (re.compile("<!--"), re.compile("-->")),
    (re.compile(r"<(?:script|SCRIPT)(?=[\s>])[^<>]*>"), re.compile(r"</(?:script|SCRIPT)\s*+>")),
    (re.compile(r"<(?:style|STYLE)(?=[\s>])[^<>]*>"), re.compile(r"</(?:style|STYLE)\s*+>")),
]

_BB_CONTENT = re.compile(r"\[(img|attach|attachimg|audio|flash|media|swf|video)\b[^\[\]]*\][^\[\]]*\[/\1\]", re.IGNORECASE)
_BB_NAMES = (
    "align|attach|attachimg|b|backcolor|color|email|flash|float|font|hide|i|img|indent|list|media|quote|size|table|td|tr|u|url"
)
_BB_END = re.compile(rf"\[/({_BB_NAMES})\]", re.IGNORECASE)
_BB_BEGIN = re.compile(rf"\[({_BB_NAMES})(?:=[^\[\]\n]*)?\]", re.IGNORECASE)


def without_markup(text: str) -> str:
    if not _possible(text):
        return text
    if "`" not in text:
        return _cleared(text)
    codes: list[str] = []

    def hide(code: re.Match[str]) -> str:
        codes.append(code[0])
        return f"\ufdd0{len(codes) - 1}\ufdd1"

    text = _cleared(_CODE.sub(hide, text.replace("\ufdd0", "")))
    return _HIDDEN_CODE.sub(lambda place: codes[int(place[1])], text)


def _possible(text: str) -> bool:
    return "<" in text or "&" in text or "[/" in text or "nbsp;" in text


def _cleared(text: str) -> str:
    for _ in range(_ROUNDS):
        before = text
        if "&" in text or "nbsp;" in text:
            text = _ENTITY.sub(_decoded, text)
        if "<" in text:
            text = _without_tags(text)
        if "[/" in text:
            text = _without_bbcode(text)
        if text == before:
            return text
    return re.sub(r"[<>&\[\]]|nbsp;", " ", text)


def _decoded(entity: re.Match[str]) -> str:
    found = entity[0]
    if found.startswith("&amp;"):
        return "&"
    if "nbsp" in found:
        return " "
    if found[1] != "#":
        return html5.get(found[1:], found)
    code = int(found[3:-1], 16) if found[2] in "xX" else int(found[2:-1])
    # Half a character: emoji were once written as two entities, and whoever comes next puts the halves together.
    return chr(code) if 0xD800 <= code < 0xE000 else html.unescape(found)


def _without_tags(text: str) -> str:
    for opening, closing in _HIDDEN:
        text = _without(text, opening, closing)
    text = _OTHER_TAG.sub(_space_between_cells, text)
    pieces = _LINE_TAG.split(text)
    if len(pieces) == 1:
        return text
    # White space next to a tag that ends a line is the page's layout. Other kinds may be half of a wrong character.
    return "\n".join(filter(None, (piece.strip(" \t\r\n\u3000") for piece in pieces)))


def _space_between_cells(tag: re.Match[str]) -> str:
    return " " if tag[0][:4].lower() in ("</td", "</th") else ""


def _without(text: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> str:
    """The text without what stands between the two; an opening that is never closed is left alone."""
    kept, position = [], 0
    while (begin := opening.search(text, position)) and (end := closing.search(text, begin.end())):
        kept.append(text[position : begin.start()])
        position = end.end()
    return "".join(kept) + text[position:]


def _without_bbcode(text: str) -> str:
    """Only codes that are closed somewhere: [i] and [b] alone are an index or a footnote, [INST] is a model's."""
    text = _BB_CONTENT.sub("", text)
    closed = {name.lower() for name in _BB_END.findall(text)}
    if not closed:
        return text
    return _BB_BEGIN.sub(lambda code: "" if code[1].lower() in closed else code[0], _BB_END.sub("", text))
