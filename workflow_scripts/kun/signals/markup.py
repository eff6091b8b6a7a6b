"""What of a text is addresses and markup rather than language."""

import re

_ADDRESS = re.compile(r"(?:https?://|ftp://|www\.)[!-~]+")
_TAG = re.compile(r"<[/!]?[A-Za-z][^<>\n]{0,200}>|\[/?(?:url|img|b|i|u|size|color|quote|font|align)\b[^\]\n]{0,200}\]|&#?\w{2,8};")


def markup_share(text: str) -> float:
    """The share of a text's characters in web addresses, tags, BBCode and entities."""
    found = 0
    if "://" in text or "www." in text:
        found += sum(len(match) for match in _ADDRESS.findall(text))
    if "<" in text or "[" in text or "&" in text:
        found += sum(len(match) for match in _TAG.findall(text))
    return min(found / len(text), 1.0) if found else 0.0
