"""Manual pages of Linux commands in Chinese, which the package linux-command carries as Markdown, one file a command."""

import re
from dataclasses import dataclass

from kun.demo.texts import Text, han_share

SHORTEST, LONGEST = 60, 480  # characters of a shortened page

# Sections that explain the command, by their title; a page's examples, links and histories stay out of its shortened text.
TELLING = ("补充说明", "概要", "主要用途", "语法", "选项", "参数", "描述", "说明")

HEADING = re.compile(r"#{1,6}\s+(.*?)[\s:：#]*$")
FENCE = re.compile(r"\s*```")
TABLE = re.compile(r"\s*\|?\s*:?-{3,}[-|:\s]*$|\s*\||.*\s\|\s.*\s\|\s")  # a rule or a row: of no use without its columns


def plain_inline(line: str) -> str:
    """One line of Markdown prose without its marks: links keep their words, emphasis and code keep their letters."""
    line = re.sub(r"^\s*>\s?", "", line)
    line = re.sub(r"^(\s*)[*+-]\s+", r"\1- ", line)
    line = re.sub(r"!\[[^\]]*\]\([^)]*\)", "", line)
    line = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", line)
    line = re.sub(r"<(https?://[^>]+)>", r"\1", line)
    line = re.sub(r"<br\s*/?>", " ", line)
    line = re.sub(r"\*\*\s*([^*]+?)\s*\*\*(?: (?=[\u4e00-\u9fff]))?", r"\1", line)
    line = re.sub(r"(?<![*\w])\*([^*\s][^*]*)\*(?!\*)", r"\1", line)
    line = re.sub(r"`+([^`]+)`+", r"\1", line)
    line = re.sub(r"\\([\\`*_{}\[\]()#+.!<>|-])", r"\1", line)
    line = re.sub(r"(?<=\S)[ \t]{2,}", " ", line)
    return line.replace("&lt;", "<").replace("&gt;", ">").replace("，。", "。").rstrip()


def plain_code(line: str) -> str:
    """One line of a code block as it would be printed: aligned columns become one space, so that a comment stays beside its option."""
    return re.sub(r"(?<=\S)[ \t]{2,}", " ", line.expandtabs(4)).rstrip()


def sections(markdown: str) -> list[tuple[str, list[str]]]:
    """(title, lines of plain text) per section of a page, in order; the first has the title "" and holds what stands before any heading."""
    found: list[tuple[str, list[str]]] = [("", [])]
    in_code = False
    for line in markdown.replace("\r\n", "\n").split("\n"):
        heading = None if in_code else HEADING.match(line)
        if FENCE.match(line):
            in_code = not in_code
        elif heading:
            found.append((plain_inline(heading.group(1)), []))
        elif in_code:
            found[-1][1].append(plain_code(line))
        elif not TABLE.match(line):
            found[-1][1].append(plain_inline(line))
    return found


def opening(name: str, summary: str, explanation: list[str]) -> list[str]:
    """The first lines of a page's text: they name the command and say what it is for, once."""
    if len(explanation) > 1 and re.fullmatch(rf"{re.escape(name)}\s*(?:命令)?", explanation[0]):
        explanation = [explanation[0] + explanation[1], *explanation[2:]]
    words = re.sub(rf"^{re.escape(name)}\s*命令\s*(?={re.escape(name)})", "", explanation[0]) if explanation else ""
    if re.match(rf"(?:Linux\s*)?{re.escape(name)}\s*(?:命令|工具|指令|程序|是|可|用|类似|[（(])", words, re.IGNORECASE):
        return [re.sub(rf"^({re.escape(name)})\s+(?=命令|是|用|可|类)", r"\1", words), *explanation[1:]]
    summary = re.sub(rf"^{re.escape(name)}\s*(?:命令)?[，：:\s]*|^(?:命令|指令)", "", summary.rstrip("。.，, "))
    verb = re.match("用于|用来|是|可以|可用|能够|能", summary)
    return [f"{name}命令{'' if verb else '：'}{summary}。", *explanation]


def split_page(markdown: str) -> tuple[str, list[str], list[tuple[str, list[str]]]]:
    """(summary, explanation, other sections) of a page, blank lines left out.

    The summary is the line below the name and its underline; the explanation is the section 补充说明.
    """
    (_, head), *others = [(title, [line for line in lines if line]) for title, lines in sections(markdown)]
    head = [line for line in head if not re.fullmatch("=+", line.strip())]
    explanation = next((lines for title, lines in others if title == "补充说明"), [])
    rest = [(title, lines) for title, lines in others if lines and title != "补充说明"]
    return (head[1] if len(head) > 1 else ""), explanation, rest


def full_text(name: str, markdown: str) -> str:
    """A whole page as plain text, examples and all; the titles of its sections become `title：` lines."""
    summary, explanation, rest = split_page(markdown)
    lines = opening(name, summary, explanation)
    for title, section in rest:
        lines += [f"{title}：", *section]
    return "\n".join(lines)


def shortened(name: str, markdown: str) -> str:
    """What a page says of its command in at most about LONGEST characters, ending with a whole line."""
    summary, explanation, rest = split_page(markdown)
    kept = opening(name, summary, within(explanation, LONGEST))
    for title, section in rest:
        if title not in TELLING or (title in ("选项", "参数") and han_share("".join(section)) < 0.2):
            continue
        fitting = within(section, LONGEST - sum(len(line) + 1 for line in kept) - len(title) - 2)
        if not fitting:
            break
        kept += [f"{title}：{fitting[0].strip()}"] if len(section) == 1 else [f"{title}：", *fitting]
        if len(fitting) < len(section):
            break
    return re.sub("[；;，,]$", "。", "\n".join(kept))


def within(lines: list[str], room: int) -> list[str]:
    """As many of the first lines as fit into `room` characters; not those that only announce what was cut off."""
    kept: list[str] = []
    for line in lines:
        if len(line) + 1 > room:
            break
        kept.append(line)
        room -= len(line) + 1
    while kept and len(kept) < len(lines) and kept[-1].endswith(("：", ":")):
        kept.pop()
    return kept


@dataclass(frozen=True)
class Page:
    """One command's page, shortened and whole."""

    short: Text
    whole: Text


def manuals(pages: dict[str, str]) -> list[Page]:
    """The pages that say enough in Chinese, in the order of the commands' names; `pages` maps a name to its Markdown."""
    found = []
    for name, markdown in sorted(pages.items()):
        short = shortened(name, markdown)
        if len(short) >= SHORTEST and han_share(short) >= 0.35:
            found.append(Page(Text(short), Text(full_text(name, markdown))))
    return found
