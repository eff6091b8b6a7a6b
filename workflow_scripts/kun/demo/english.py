"""English prose out of docutils' documentation: real text in the wrong language."""

import re

from kun.demo.texts import Text

SHORTEST, LONGEST = 160, 800  # characters


def plain_prose(block: str) -> str:
    """A reStructuredText paragraph on one line, without its marks."""
    line = " ".join(block.split())
    line = re.sub(r"``([^`]+)``", r"\1", line)
    line = re.sub(r":[a-z:-]+:`([^`]+)`", r"\1", line)
    line = re.sub(r"`([^`<]+?)\s*(?:<[^>]*>)?`__?", r"\1", line)
    line = re.sub(r"`([^`]+)`", r"\1", line)
    line = re.sub(r"\*{1,2}([^*]+)\*{1,2}", r"\1", line)
    line = re.sub(r"\s?\[[#\w-]+\]_", "", line)
    return re.sub(r"(?<=\w)__?(?=\W|$)", "", line)


def is_prose(block: str) -> bool:
    """Whether a block is a paragraph of sentences: no list, no directive, no example, no table."""
    return (
        re.match(r"[A-Z][a-z]* ?[a-z]", block) is not None
        and re.search(r"[^.]\.$", block) is not None
        and not re.search(r"::|\|| {3}|\n[ \t]|[<>{}=\\]{2}|https?:|@", block)
    )


def english(documents: dict[str, str]) -> list[Text]:
    """The prose paragraphs of the documents, in the order of their names."""
    blocks = (block.strip() for name in sorted(documents) for block in re.split(r"\n\s*\n", documents[name]))
    paragraphs = (plain_prose(block) for block in blocks if is_prose(block))
    return [Text(paragraph) for paragraph in paragraphs if SHORTEST <= len(paragraph) <= LONGEST and paragraph.isascii()]
