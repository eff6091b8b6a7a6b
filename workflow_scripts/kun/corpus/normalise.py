"""Two normal forms of a text: the readable one that people and models see, and the bare one that tells equal texts apart.

The order of the steps, each a file beside this one:
1. markup: it is ASCII and so the same in any mojibake; entities may give any character, wrong, full-width, control or half a one;
2. mojibake: line by line, and while the wrong characters are all there, for some of them are control and private ones;
3. characters: what nobody sees goes, odd forms become ordinary; line ends become new lines;
4. simplify: OpenCC knows composed characters only;
5. white space at the ends of lines, then boilerplate: whole lines in Simplified Chinese; then blank lines.
A later step may bring to light what an earlier one is for (&ｌｔ; is an entity once it is written in ordinary letters), so all
are repeated until nothing changes. A text that needs nothing costs a few searches, and a look at each of its short lines.
"""

import re
import unicodedata

from kun.corpus.boilerplate import without_boilerplate
from kun.corpus.characters import plain
from kun.corpus.markup import without_markup
from kun.corpus.mojibake import repaired
from kun.corpus.traditional import simplified
from kun.settings.corpus import Text

_ROUNDS = 8  # pages need two or three

_WIDE_INDENTATION = re.compile("\n[ \t]*+\u3000[ \t\u3000]*")
_INDENTATION = re.compile("\n[ \t]++(?=[^\x00-\x7f])")  # of Chinese paragraphs; that of programs and lists stays
_MANY_BLANK_LINES = re.compile("\n{3,}")


def readable(text: str, how: Text = Text()) -> str:  # noqa: B008 (it is frozen)
    """The text as people should read it; "" if nothing is left. Applying it twice changes nothing."""
    for _ in range(_ROUNDS):
        before = text
        if how.html:
            text = without_markup(text)
        if how.mojibake:
            text = repaired(text)
        text = plain(_with_ordinary_spaces(text))
        if how.simplify:
            text = simplified(text)
        text = _without_blanks_at_ends(text)
        if how.boilerplate:
            text = without_boilerplate(text)
        if "\n\n\n" in text:
            text = _MANY_BLANK_LINES.sub("\n\n", text)
        text = text.strip()
        if text == before:
            return text
    return ""  # still changing: built to do so


def _with_ordinary_spaces(text: str) -> str:
    return _WIDE_INDENTATION.sub("\n", text).replace("\u3000", " ") if "\u3000" in text else text


def _without_blanks_at_ends(text: str) -> str:
    if " \n" in text or "\t\n" in text:
        text = "\n".join(map(str.rstrip, text.split("\n")))
    return _INDENTATION.sub("\n", text) if "\n " in text or "\n\t" in text else text


def bare(text: str) -> str:
    """Letters and digits only, NFKC, lower case: equal for texts that differ in space, width or punctuation."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).lower()))
