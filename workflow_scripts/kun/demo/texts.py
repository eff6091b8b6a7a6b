"""What a text of the demo is, and the few questions that are asked of any text."""

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """One text as its package holds it; title and category are empty where the package knows none."""

    content: str
    title: str = ""
    category: str = ""


def content_hash(content: str) -> str:
    """32 hex digits of BLAKE2b over the UTF-8 bytes: what orders and splits texts, whatever the machine."""
    return hashlib.blake2b(content.encode("utf-8"), digest_size=16).hexdigest()


def by_hash(texts: Iterable[Text]) -> list[Text]:
    """The texts in the order of their content hashes: a shuffle that comes out the same everywhere."""
    return sorted(texts, key=lambda text: (content_hash(text.content), text.title))


def without_repeats(texts: Iterable[Text]) -> list[Text]:
    """The first of each group of texts that differ at most by white space, width of characters or case."""
    first: dict[str, Text] = {}
    for text in texts:
        key = "".join(unicodedata.normalize("NFKC", text.content).casefold().split())
        first.setdefault(key, text)
    return list(first.values())


def han_share(content: str) -> float:
    """The share of Chinese characters among the characters that are not white space; 0.0 for none."""
    visible = [character for character in content if not character.isspace()]
    return sum("\u4e00" <= character <= "\u9fff" for character in visible) / max(len(visible), 1)
