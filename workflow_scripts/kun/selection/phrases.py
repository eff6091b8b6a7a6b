"""Words that give a bad instruction or answer away, as named presets.

`kun` is the published method's list. Some of its words are everyday Chinese (作为, 根据), so it drops many good records: hits are
counted per word, for people to see. `precise` looks for what the lists were after: material that the reader will not have, an
assistant that talks about itself, apologies, hedging tails.
"""

import re
from re import Pattern

INSTRUCTIONS: dict[str, tuple[str, ...]] = {
    "none": (),
    "kun": tuple(
        map(
            re.escape,
            ["新闻", "材料", "图片", "链接", "网址", "根据", "简历", "简介", "文章", "摘要", "文本", "提取", "关键词", "网站"],
        )
    ),
    "precise": (
        r"(?:以上|上述|上面|下面|下列|以下|这篇|这段|(?<!应)该|(?<![基版成文样标日课剧脚根书])本|(?<![因彼])此)(?:的)?(?:文章|材料|文本|内容|段落|文字|资料|短文|新闻|信息|对话|图片|表格|回答)",
        r"(?:根据|阅读|结合|参考)(?:所给|给定|提供|文中|材料|原文|上文|下文|附件|图)",
        r"(?:如|见)(?:[上下](?:图|表)|(?:图|表)(?:所示|中|[0-9一二三四五六七八九十]))",
        r"https?://|(?:点击|打开)(?:链接|网址)",
        r"(?:提取|总结|概括)(?:出)?(?:文中|原文|上文)",
    ),
}
ANSWERS: dict[str, tuple[str, ...]] = {
    "none": (),
    "kun": tuple(map(re.escape, ["作为", "根据", "知识库", "2023", "抱歉"])),
    "precise": (
        r"作为(?:一个|一名|一款)?(?:AI|人工智能|语言模型|大模型|智能助手|聊天机器人)",
        r"我(?:是|叫)(?:一个|一款|由)[^。]{0,12}(?:AI|人工智能|语言模型|助手)|MiniMind",
        r"(?:很|非常)?抱歉，|对不起，",
        r"(?:已知|上述|所给|给定)(?:的)?(?:内容|材料|文本|信息)(?:中|里|可知|显示|提到)",
        r"(?:知识库|训练数据)",
        r"(?:仅供参考|可能(?:已经)?(?:过时|过期)|请(?:咨询|查阅|参考)(?:最新|官方|专业)[^。]{0,20}。?\s*$)",
    ),
}


def compiled(patterns: tuple[str, ...]) -> list[Pattern[str]]:
    return [re.compile(pattern) for pattern in patterns]


def first_hit(text: str, patterns: list[Pattern[str]]) -> tuple[str, str] | None:
    """(pattern, what it found) of the first pattern that occurs, or None."""
    for pattern in patterns:
        if found := pattern.search(text):
            return pattern.pattern, found.group(0)
    return None
