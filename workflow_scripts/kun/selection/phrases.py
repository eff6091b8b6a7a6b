"""Words that give a bad instruction or answer away: presets of named rules, each a pattern.

`kun` is the published method's list, a rule a word. Some of its words are everyday Chinese (作为, 根据), so it drops many good records.
`precise` looks for what the list was after: material that the reader will not have, an assistant that talks about itself, refusals, what
is left of a prompt. Hits are counted per rule, of every preset, for people to see (docs/answers.md has figures on human answers).

No pattern repeats anything without a bound, so a search takes time linear in the text, whoever wrote it.
"""

import re
from collections import Counter
from collections.abc import Iterable
from re import Pattern

# Material that follows in the instruction itself is not missing: a colon or a new line soon, and then something of a length.
_NOT_FOLLOWING = r"(?![^:：\n]{0,40}[:：\n]\s{0,3}\S[\s\S]{18})"
_MATERIAL = "(?:文章|材料|文本|内容|段落|文字|资料|短文|新闻|信息|对话|图片|表格|回答|回复)"
_GIVEN = "(?:内容|材料|文本|资料|文章|段落|文字)"
_ASSISTANT = "(?:AI|人工智能|语言模型|大模型|机器学习模型|聊天机器人|文本机器人|智能助手|智能助理|虚拟助手)"
_AN = "(?:一[个名种款台位]?)?"


def _each(*words: str) -> dict[str, str]:
    return {word: re.escape(word) for word in words}


INSTRUCTIONS: dict[str, dict[str, str]] = {
    "none": {},
    "kun": _each(
        *["新闻", "材料", "图片", "链接", "网址", "根据", "简历", "简介", "文章", "摘要", "文本", "提取", "关键词", "网站"]
    ),
    "precise": {
        "refers_to_material": rf"(?:以上|上述|上面)(?:的)?{_MATERIAL}"
        rf"|(?:这篇|这段|(?<!应)该|(?<![基版成文样标日课剧脚根书])本|(?<![因彼])此)(?:的)?{_MATERIAL}{_NOT_FOLLOWING}",
        "material_to_follow": rf"(?:以下|下列|下面|下文)(?:的)?(?:这[段篇])?{_MATERIAL}{_NOT_FOLLOWING}",
        "asks_to_read": rf"(?:根据|结合|参考|阅读(?!材料[？?]))(?:所给|给定|提供|文中|材料|原文|上文|下文|附件|图(?!书)){_NOT_FOLLOWING}",
        "points_at_figure": r"(?:如|见)(?:[上下](?:图|表)|(?:图|表)(?:所示|中|[0-9一二三四五六七八九十]))",
        "link": r"https?://|(?:点击|打开)(?:链接|网址)",
        "extract": r"(?:提取|总结|概括)(?:出)?(?:文中|原文|上文)",
        "asks_the_text": r"(?<![作论推散语课英国原范])文中|(?<!文)本文(?![档件本字])|原文[中里]|文章中(?:提|描|介|所)|作者(?:认为|在文)",
        "prompt_leftover": r"<\|im_(?:start|end)\|>|###? ?(?:Instruction|Response|指令|回答)|已知内容[:：]",
    },
}
ANSWERS: dict[str, dict[str, str]] = {
    "none": {},
    "kun": _each("作为", "根据", "知识库", "2023", "抱歉"),
    "precise": {
        "self_reference": rf"作为{_AN}[^，。！？\n你他她它]{{0,12}}{_ASSISTANT}[^，。！？\n]{{0,6}}[，,]?\s?(?:但|但是)?(?:我|本助手)",
        "identity": rf"(?<!如果)(?<!假如)(?<!假设)我(?:只|仅|仅仅)?是{_AN}[^，。！？\n]{{0,12}}{_ASSISTANT}"
        r"(?!工程师|专家|研究|领域|公司|教师|老师|行业|从业|爱好者|开发|学院|专业|产品|课程|学者)",
        "maker": r"我(?:是|叫)(?:由)?(?:ChatGPT|OpenAI|文心一言|通义千问)"
        r"|我是?由[^，。！？\n]{1,12}(?:训练|开发|创建|创造)(?:出来)?的|MiniMind",
        "cannot": r"我(?:无法|不能|没有(?:办法|能力))(?:直接|准确|为[您你]|给[您你]|帮[您你]|继续){0,2}"
        r"(?:访问|浏览|查看|获取|获得|提供|回答|生成|满足|协助|执行|播放|显示|展示|发送|创建)",
        "apology": r"^(?:我)?(?:很|非常|十分|真的)?(?:抱歉|对不起|遗憾)[，,！!。 ]{0,2}(?:但|但是)?(?:我(?!们)|您|你|作为|目前|未|没有)",
        "missing_input": r"[您你](?:并|还)?(?:没有|未)(?:能)?(?:给出|给我|为我|提供|指定|说明)",
        "mentions_given_text": rf"已知(?:内容|材料)|(?:所给|给定|给出|提供)的(?:已知)?{_GIVEN}(?:中|里|可知|显示|提到|来看|没有|并未)"
        rf"|(?:根据|按照|基于)(?:原文|文中|(?:所给|给定|[您你](?:所)?提供)的?{_GIVEN})"
        r"|(?:文中|原文|材料中|文章中)(?:没有|并未|未|提到|提及|指出|介绍)",
        "knowledge_base": r"知识库(?:中|里)?(?:没有|并未|未|显示)|我的(?:知识库|训练数据|数据库|知识(?:截[止至]|仅限|更新))"
        r"|(?:知识|训练数据|数据)截[止至](?:日期|于|到|至|20)",
        "prompt_leftover": r"<\|im_(?:start|end)\|>|###? ?(?:Instruction|Response|指令|回答)|^(?:指令|已知内容)[:：]",
    },
}


class Rules:
    """A set of presets, made once per job because the patterns are compiled."""

    def __init__(self, presets: dict[str, dict[str, str]]):
        self.patterns: dict[str, dict[str, Pattern[str]]] = {
            preset: {rule: re.compile(pattern) for rule, pattern in rules.items()} for preset, rules in presets.items()
        }

    def hits(self, text: str) -> list[str]:
        """Every rule of every preset that the text hits, as preset:rule, in the presets' order."""
        return [
            f"{preset}:{rule}" for preset, rules in self.patterns.items() for rule, pattern in rules.items() if pattern.search(text)
        ]

    def first_hit(self, preset: str, text: str) -> str | None:
        """The first of a preset's rules that the text hits, and what it found, as "rule: found"."""
        for rule, pattern in self.patterns[preset].items():
            if found := pattern.search(text):
                return f"{rule}: {found[0]}"
        return None

    def tallied(self, hits: Iterable[str]) -> dict[str, dict[str, int]]:
        """{preset: {rule: how many texts hit it}}, also of rules that none did."""
        counts = Counter(hits)
        return {preset: {rule: counts[f"{preset}:{rule}"] for rule in rules} for preset, rules in self.patterns.items() if rules}


def of_preset(hits: Iterable[str], preset: str) -> list[str]:
    """The names of the hit rules of one preset."""
    return [hit.removeprefix(f"{preset}:") for hit in hits if hit.startswith(f"{preset}:")]
