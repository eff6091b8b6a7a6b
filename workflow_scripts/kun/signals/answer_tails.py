"""The hedging tail of an answer: last sentences that say nothing about the question (希望以上回答对您有帮助, 以上信息可能已经过时).

A known defect of the published data. A sentence is such talk when it consists of WORDS alone, which name nothing in particular, and
one of TAILS is in it. Only whole sentences at the very end are a tail, and never all of the answer. An instruction that asks where to
ask, or for a letter or a service's reply, gets its last sentences as they are.
"""

import re

TAILS = {
    "hope": "希望.*(?:帮助|帮到|有用|用处|启发|参考)",
    "for_reference": "[仅只](?:供|作为|作|为|是).*参考",
    "out_of_date": "(?:可能|也许|或许).*(?:过时|过期|准确|全面|完整|有误|错误|偏差|变化|变动|更新|改变)",
    "as_official": "以.*为[准主]",
    "consult": "(?:咨询|查阅|参考|参阅|联系|寻求|查询|访问|请教|核实).*(?:专业|官方|权威|最新|合格|医生|律师|专家|人士|部门|机构|资料)",
    "ask_me": "[问找给向和跟与]我|告[诉知]我|让我知道|联系我|提问|随时.*(?:联系|咨询|询问|提出)",
    "at_service": "(?:尽力|尽我所能|竭诚|很?乐意|很高兴).*(?:帮助|服务|解答|回答)",
}
WORDS = """
注 注意 请注意 需要注意 温馨提示 提示 声明 最后 另外 此外 总之 同时 当然 但 但是 不过 因此 所以 并且 而且 并 且 也 以及 或 或者
和 与 、
我 我的 您 你 您的 你的 您们 你们 大家 各位 读者 用户 以上 上述 上面 这 这些 这个 这份 本 该 此 其 是 就是 为 只是 仅是 的 了
地 到
希望 能 能够 可以 会 将 将会 对 给 带来 提供 起到 有 有所 有些 一些 一定 一定的 有用 用处 启发 参考 价值 帮助 帮到 帮忙 帮 支持
协助
回答 回复 信息 内容 建议 解答 答案 解释 介绍 说明 方法 步骤 资料 分析 清单 推荐 数据 观点 例子 示例 经验 技巧 指南 思路 措施
问题 疑问 疑惑 疑虑
需要 需求 想法 意见 顾虑 细节 方面 地方 情况 实际 实际情况 具体 具体情况 时间 政策 价格 规定 法规 法律
仅供 仅作 仅为 仅作为 供 只供 学习 可能 也许 或许 已经 已 并不 不 不够 不完全 完全 存在 过时 过期 准确 全面 完整 有误 错误 偏差
变化 变动 更新 改变 调整 不同 由于 因为 随 随着 随时间 随着时间 推移 而
请 还请 敬请 欢迎 务必 最好 应 应该 应当 需 以 为准 为主 官方 最新 当地 权威 专业 合格 相关 有关 相应 资深 医疗 医学 技术 财务
领域
人士 人员 机构 部门 专家 医生 律师 顾问 文件 文献 渠道 网站 来源 公告 通知 发布 公布 消息 政府 医院 学校
咨询 查阅 参阅 联系 寻求 查询 访问 请教 核实 确认 关注 了解 知道 进行 向 及时 进一步 随时 再 再次 还 还是 先 仍 仍然 继续 尽管
不要 犹豫 尽力 尽我所能 竭诚 努力 乐意 很乐意 非常 十分 很 高兴
如果 若 如 如有 假如 任何 其他 其它 别的 更多 更 更好 更详细 详细 不明白 不清楚 想 想要 遇到 请随时 问 问我 找我 告诉 告诉我
告知 告知我 让我知道 向我 与我 和我 跟我 给我 联系我 咨询我 提问 提出 询问 沟通 交流 留言 反馈 服务 哦 吧 都
"""
_WORDS = re.compile(f"(?:{'|'.join(sorted(map(re.escape, WORDS.split()), key=len, reverse=True))})*+")
_TAIL = re.compile("|".join(TAILS.values()))
_MEANT = re.compile(
    "咨询|求助|请教|投诉|查询|查阅|联系|哪里|哪儿|何处|找谁|问谁|官方|官网|热线|渠道|机构|过时|免责|声明"
    "|邮件|信函|[写封回来]信|书信|致辞|演讲|发言|讲话|客服|话术|回复|祝|短信|对话|台词|剧本|通知|公告|留言"
)
_SENTENCE_ENDS = "。！？!?\n…～"
_AROUND = " \t\n()（）[]【】*_>#“”\"'。！？!?…～~😊🙂"
_PAUSES = re.compile("[，,；;：: ]")
_LONGEST = 100  # characters of a sentence that is looked at
_MOST = 5  # sentences of a tail


def parted(answer: str, instruction: str) -> tuple[str, str]:
    """(the answer, its tail): together the answer but for white space between; the tail is "" where there is none."""
    if _MEANT.search(instruction):
        return answer, ""
    end = len(answer)
    for _ in range(_MOST):
        start = _start_of_last_sentence(answer, end)
        if start is None or not _is_talk(answer[start:end].strip(_AROUND)):
            break
        end = start
    body = answer[:end].rstrip()
    return (body, answer[end:].strip()) if end < len(answer) and any(map(str.isalnum, body)) else (answer, "")


def _start_of_last_sentence(text: str, end: int) -> int | None:
    """Where the last sentence before `end` begins; None where it is longer than is looked at."""
    first = max(0, end - _LONGEST)
    inside = text[first:end].rstrip(_AROUND)
    start = max(inside.rfind(sign) for sign in _SENTENCE_ENDS) + 1
    return first + start if start or not first else None


def _is_talk(sentence: str) -> bool:
    return bool(_TAIL.search(sentence)) and all(_WORDS.fullmatch(clause) for clause in _PAUSES.split(sentence))
