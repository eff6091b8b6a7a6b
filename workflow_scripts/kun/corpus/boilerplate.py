"""Lines of a web page that are no text: navigation, sharing, copyright, data about the article, and a line's repetitions.

Only whole lines go, only short ones, and only those that do not end like a sentence: what is lost by mistake is worse than what
stays. A heading such as 相关阅读 goes, the titles below it stay. A line that repeats the one before goes; one of eight letters or
more that stands three times in the text stays where it stands first. A refrain of short lines survives, one of long lines does not.
The patterns are in Simplified Chinese: simplify first.
"""

import re
from collections import Counter
from functools import lru_cache

LONGEST = 60  # characters
LONGEST_COPYRIGHT = 100

_SENTENCE_ENDS = ("。", "！", "？", "；", "，", "、", "”", "!", "?", ";", ",")

# Items of menus: a sure one makes a menu of any line that consists of items, the others are ordinary words.
_SURE_ITEMS = """
首页 网站首页 返回首页 回到首页 登录 登陆 注册 免费注册 快速注册 登录注册 忘记密码 找回密码 用户登录 会员登录 退出登录 安全退出
设为首页 加入收藏 加入收藏夹 收藏本站 收藏本页 收藏本文 联系我们 关于我们 网站地图 友情链接 广告服务 广告投放 广告合作 意见反馈
问题反馈 隐私政策 免责声明 版权声明 返回顶部 回到顶部 返回列表 返回目录 返回上页 返回上一页 关闭窗口 关闭本页 关闭页面 打印本页
打印本文 打印此页 推荐给好友 我要评论 我要纠错 我要投稿 发表评论 查看评论 网友评论 写评论 上一页 下一页 上一篇 下一篇 末页 尾页
分享到 分享至 字号 查看更多 点击查看 点击查看更多 点击加载更多 加载更多 显示更多 更多精彩 阅读全文 查看全文 点击阅读全文
查看原文 阅读原文 展开全文 点击阅读原文 查看详情 点击查看详情 查看全部
"""
_OTHER_ITEMS = """
大 中 小 更多 打印 关闭 收藏 评论 点赞 赞 踩 回复 举报 分享 转发 顶 删除 编辑 搜索 微信 微博 新浪微博 腾讯微博 朋友圈 微信好友
QQ空间 QQ好友 QQ 豆瓣 人人网 开心网 贴吧 百度贴吧 易信 Facebook Twitter 复制链接 帮助 论坛 新闻 资讯 产品 产品中心 新闻中心 客服
客服中心 在线客服 我的订单 购物车 会员中心 个人中心 手机版 电脑版 客户端 招聘 招聘信息 加入我们 English 中文版 繁体版 视频 图片
专题 地图 目录 页 共 第 跳转 到
"""
_SURE = frozenset(_SURE_ITEMS.split())
_ITEMS = _SURE.union(_OTHER_ITEMS.split())
_BETWEEN = re.compile(r"[\s|｜/·•>»›＞<«‹:：()（）\[\]【】…+*0-9.,、_-]+")
_DIVIDED = re.compile(r"\s*[|｜]\s*|\s{2,}")

_SITE = (
    r"(?:新浪|腾讯|搜狐|网易)?微博|微信(?:好友|朋友圈)?|朋友圈|QQ(?:空间|好友|群)?|人人网|开心网|豆瓣网?|(?:百度)?贴吧|空间"
    r"|易信|好友|复制链接|[Ff]acebook|[Tt]witter"
)
_ROLE = r"(?:责任|本文|文字|网络|实习|值班|图文|见习|执行|新媒体|本期|网页)?(?:编辑|责编|编审|校对|审核|监制|终审|签发)"
_ORIGIN = r"(?:文章|信息|新闻|稿件|资料|内容|本文|原文|图片)?(?:来源|出处)"
_WHEN = r"(?:发布|发表|更新|录入|添加|编辑)(?:时间|日期|于)"
_TIMES = r"(?:浏览|阅读|点击|访问|查看|播放|下载|围观)(?:次数|数|量|人数)?|人气|访问人次"
_DATE = r"\d{4}\s?[-/.年]\s?\d{1,2}\s?[-/.月]\s?\d{1,2}日?|\d{1,2}[:：]\d{2}(?:[:：]\d{2})?"
_CRUMB = "[^<>»›＞，。]"

# What a whole line may consist of, white space at its ends aside.
PATTERNS = {
    "breadcrumb": [
        r"[您你](?:现在|当前|目前)?的?(?:当前|所在)?的?位置(?:是|在)?\s*[:：].*",
        r"(?:当前|现在|目前)(?:所在)?的?位置(?:是|在)?\s*[:：].*",
        r"所在位置\s*[:：].*[>»›＞].*",
        rf"[^\s>»›＞，。]{{0,10}}(?:首页|主页)\s*+(?:[>»›＞]++\s*+{_CRUMB}{{1,30}}+)+",
        rf"(?:{_CRUMB}{{1,20}}+[>»›＞]++\s*+)+(?:正文|内容|详情|文章内容|文章正文|列表)",
        r"[>»›＞|｜]{1,3}|[>»›＞]\s*正文",  # pages that were cut at every tag
    ],
    "neighbour": [r"[【\[]?(?:上|下|前|后)一(?:篇|页|主题|图集)(?:文章|新闻|信息)?[】\]]?\s*(?:[:：>»].*)?"],
    "copyright": [
        r"(?:.{0,40}[^A-Za-z])?[Cc](?:opyright|OPYRIGHT)\s*(?:©|\([Cc]\)|@|\d{4}).*",
        r"©.*",
        r".{0,60}[Aa]ll [Rr]ights [Rr]eserved.*",
        r".{0,40}版权所有(?!者|人|权).*",
    ],
    "licence": [r".*(?:ICP[备证]|网安备|许可证(?:编?号)?)[\s:：第字]*[A-Z\d(（\[]*\d{4,}.*"],
    "editor": [
        rf"[(（【\[]?\s*(?:(?:作者|记者|通讯员|{_ORIGIN})\s*[:：]\s*\S{{1,12}}\s+)?"
        rf"(?:{_ROLE}\s*[:：]\s*[^\s:：，。]{{1,10}}(?:\s[^\s:：，。]{{1,4}})?\s*)+[)）】\]]?"
    ],
    "share": [rf"(?:一键)?(?:分享|转发)(?:[到至给]|本文)\s*[:：]?(?:{_SITE}|更多|[\d\s、/|,+.·和与x])*+"],
    "more": [
        r"[【\[(（<]*(?:点击|点此|请点击)?(?:这里|此处)?(?:查看|阅读|加载|浏览|展开|显示)(?:更多|全文|全部|原文|剩余)"
        r"[^，。]{0,10}[】\])）>»›….]*",
        r"更多\s*[>»›＞….+]*",
    ],
    "related": [
        r"[◆■●▶★☆【\[#\s]*(?:相关|热门|精彩|延伸|更多|热点|最新|推荐)(?:阅读|推荐|文章|新闻|链接|报道|资讯|专题|标签|评论)"
        r"[\]】:：>»+\s]*(?:更多)?",
        r"猜你喜欢|大家都在看",
    ],
    "scan": [
        r"(?:请|打开|手机)?(?:用?微信|手机)?(?:扫一扫|扫码|扫二维码|(?:扫描|长按|识别)(?=.*(?:二维码|关注|下载|微信)))"
        r"[^，。；]{0,25}",
        r"(?:欢迎|敬请|请)?(?:扫码)?关注(?:我们|本站|更多|官方)[^，。；]{0,30}",
    ],
    "statement": [r"[【\[（(]?(?:免责|版权|特别|郑重)声明[】\]）)]?\s*[:：]?", r"(?:违法和?)?不良信息举报.*"],
    "about": [
        rf"(?:(?:(?:作者|记者|{_ORIGIN}|{_ROLE}|{_WHEN})\s*[:：]\s*[^\s:：，。；]{{0,20}}"
        rf"|(?:{_TIMES})\s*[:：(（]?\s*\d[\d,.万]*\s*次?[)）]?|{_DATE}|字号\s*[:：]?|[|｜])\s*+)+"
    ],
    "counts": [
        r"(?:已有|共有|共)?\s*\d+\s*(?:人|条|次|个)?(?:参与|跟帖|评论|回复|浏览|阅读|点赞|赞|收藏)",
        r"(?:点赞|收藏|评论|回复|转发|分享|赞|踩)\s*[(（\[]?\s*\d+\s*[)）\]]?",
    ],
    "size": [r"[【\[（(]?\s*(?:字[号体]\s*[:：]?)?\s*[\[【]?大[\]】]?\s*[\[【]?中[\]】]?\s*[\[【]?小[\]】]?\s*[】\]）)]?"],
}
_LEGAL = re.compile("|".join(PATTERNS["copyright"] + PATTERNS["licence"]))
_LEGAL_WORD = re.compile("[©@]|ights|opyright|OPYRIGHT|版权所有|ICP|网安备|许可证")
_ABOUT = re.compile("|".join(PATTERNS["about"]))
# A date, or an author alone, is text.
_ABOUT_THE_PAGE = re.compile(rf"(?:{_ORIGIN}|{_ROLE}|{_WHEN})\s*[:：]|{_TIMES}|字号")
_OTHERS = re.compile("|".join(one for name in PATTERNS if name not in ("copyright", "licence", "about") for one in PATTERNS[name]))
_HAN = re.compile("[\u3400-\u9fff]")


def without_boilerplate(text: str) -> str:
    lines = text.split("\n")
    kept = _without_repetitions([line for line in lines if len(line) > LONGEST_COPYRIGHT or not is_boilerplate(line.strip())])
    return text if len(kept) == len(lines) else "\n".join(kept)


@lru_cache(maxsize=1 << 14)  # navigation comes again on every page of a site
def is_boilerplate(line: str) -> bool:
    if not line or len(line) > LONGEST_COPYRIGHT or line.endswith(_SENTENCE_ENDS):
        return False
    if len(line) <= LONGEST and (_OTHERS.fullmatch(line) or _is_menu(line) or _is_about_the_page(line)):
        return True
    return bool(_LEGAL_WORD.search(line) and _LEGAL.fullmatch(line))


def _is_about_the_page(line: str) -> bool:
    return bool(_ABOUT.fullmatch(line) and _ABOUT_THE_PAGE.search(line))


def _is_menu(line: str) -> bool:
    if line in _SURE:
        return True
    if line[0].isdigit() or not _BETWEEN.search(line):  # 1.2 注册 is a heading
        return False
    items = [item for item in _BETWEEN.split(line) if item]
    if _SURE.isdisjoint(items):
        return False
    divided = _DIVIDED.split(line)
    return _ITEMS.issuperset(items) or (len(divided) >= 3 and max(map(len, divided)) <= 8)


def _without_repetitions(lines: list[str]) -> list[str]:
    filled = list(filter(None, lines))
    if len(set(filled)) == len(filled):
        return lines
    often = {line for line, count in Counter(filled).items() if count >= 3 and _is_long(line)}
    kept, seen = [], set()
    for line in lines:
        if line in seen or (kept and line == kept[-1] and _HAN.search(line)):
            continue
        kept.append(line)
        if line in often:
            seen.add(line)
    return kept


def _is_long(line: str) -> bool:
    """Eight letters or more, Chinese among them: a program's lines may repeat."""
    return bool(_HAN.search(line)) and sum(map(str.isalpha, line)) >= 8
