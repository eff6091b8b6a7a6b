"""Which text goes where: the reference for perplexity, and six shards of documents, good and spoiled."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from kun.demo import spoiled
from kun.demo.containers import Record, in_file_order, skypile, wanjuan, wudao
from kun.demo.manuals import Page
from kun.demo.news import is_informative, is_plain
from kun.demo.reviews import is_whole_review
from kun.demo.texts import Text, by_hash, content_hash, without_repeats

# Records per kind; the spoiled ones are counted per corpus, of which there are three.
GOOD = {"news": 330, "manuals": 350, "reviews": 345}
TOO_LONG, SALAD, ENGLISH, DUPLICATES, HOSTILE, DAMAGED = 27, 43, 30, 54, 4, 4
SALAD_SEED = 1998
SHORTEST_LONG_PAGE, LONGEST_LONG_PAGE = 1800, 8000  # characters of a manual page that is too long as it stands


@dataclass(frozen=True)
class Corpus:
    """One published corpus: which good texts it gets, its two files below raw/, and the writer of its format."""

    name: str
    good: str
    files: tuple[str, str]
    write: Callable[[str, list[Record]], bytes]
    damages: tuple[str, ...]


CORPORA = (
    Corpus(
        "WuDaoCorpora 2.0",
        "news",
        ("WuDaoCorpus2.0_base_200G/part-2021000001.json", "WuDaoCorpus2.0_base_200G/part-2021000002.json"),
        wudao,
        spoiled.IN_ARRAY,
    ),
    Corpus(
        "WanJuan 1.0",
        "manuals",
        (
            "WanJuan1_dot_0/raw/nlp/CN/WebText-cn/part-000001-a894b46e.jsonl.tar.gz",
            "WanJuan1_dot_0/raw/nlp/CN/TextBook-cn/part-000002-c41d07f3.jsonl.tar.gz",
        ),
        wanjuan,
        spoiled.IN_LINES[:DAMAGED],
    ),
    Corpus(
        "SkyPile-150B",
        "reviews",
        ("SkyPile-150B/data/2020-40_zh_head_0000.jsonl", "SkyPile-150B/data/2021-43_zh_middle_0001.jsonl"),
        skypile,
        spoiled.IN_LINES[DAMAGED:],
    ),
)


@dataclass(frozen=True)
class Sources:
    """All texts that the packages hold, as their readers return them."""

    news: list[Text]
    paragraphs: list[Text]
    reviews: list[Text]
    manuals: list[Page]
    english: list[Text]
    words: list[str]  # the words of the news in the paper's order, punctuation included


@dataclass(frozen=True)
class Split:
    """The texts divided by use, no text in two places; each list is in the order of content hashes."""

    reference: dict[str, list[Text]]
    fit: dict[str, list[Text]]  # by kind: what may be a good document
    spare: list[Text]  # news and paragraphs to make too long texts from
    long_pages: list[Text]


def in_share(content: str, share: int, of: int) -> bool:
    """Whether a text falls into `share` of `of` equal parts; decided by its content alone."""
    return int(content_hash(content), 16) % of < share


def split(sources: Sources) -> Split:
    """A quarter of what may be a document and half of the rest become the reference; of manual pages, the whole page."""
    news = by_hash(without_repeats(sources.news))
    reviews = by_hash(without_repeats(sources.reviews))
    pages = sorted(sources.manuals, key=lambda page: content_hash(page.short.content))
    informative = [item for item in news if is_informative(item)]
    other_news = [item for item in news if not is_informative(item)]
    whole = [line for line in reviews if is_whole_review(line.content)]
    other_lines = [line for line in reviews if not is_whole_review(line.content)]
    loose = by_hash(without_repeats([*other_news, *sources.paragraphs]))

    free_pages = [page for page in pages if not in_share(page.short.content, 1, 4)]
    long_pages = [page for page in free_pages if SHORTEST_LONG_PAGE <= len(page.whole.content) <= LONGEST_LONG_PAGE][:TOO_LONG]
    return Split(
        reference={
            "news": by_hash([*taken(informative, 1, 4), *taken(loose, 1, 2)]),
            "reviews": by_hash([*taken(whole, 1, 4), *taken(other_lines, 1, 2)]),
            "manuals": by_hash(page.whole for page in pages if in_share(page.short.content, 1, 4)),
        },
        fit={
            "news": left(informative, 1, 4),
            "reviews": left(whole, 1, 4),
            "manuals": [page.short for page in free_pages if page not in long_pages],
        },
        spare=[text for text in left(loose, 1, 2) if is_plain(text)],
        long_pages=[page.whole for page in long_pages],
    )


def taken(texts: list[Text], share: int, of: int) -> list[Text]:
    return [text for text in texts if in_share(text.content, share, of)]


def left(texts: list[Text], share: int, of: int) -> list[Text]:
    return [text for text in texts if not in_share(text.content, share, of)]


def documents(sources: Sources, parts: Split) -> dict[str, list[Record]]:
    """The records of every file, in the file's order. Raises ValueError where the packages hold too little."""
    files: dict[str, list[Record]] = {name: [] for corpus in CORPORA for name in corpus.files}
    long_news = spoiled.concatenations(parts.spare, 2 * TOO_LONG)
    long_texts = {"news": long_news[:TOO_LONG], "reviews": long_news[TOO_LONG:], "manuals": parts.long_pages}
    salad = spoiled.word_salad(sources.words, len(CORPORA) * SALAD, SALAD_SEED)
    english = by_hash(without_repeats(sources.english))
    attacks = list(spoiled.HOSTILE.values())

    for number, corpus in enumerate(CORPORA):
        fit = parts.fit[corpus.good]
        good, others = fit[: GOOD[corpus.good]], fit[GOOD[corpus.good] :]
        victims, wrecks = others[:HOSTILE], others[HOSTILE : HOSTILE + DAMAGED]
        mine = {
            "good": good,
            "too long": long_texts[corpus.good],
            "word salad": salad[number * SALAD : (number + 1) * SALAD],
            "wrong language": english[number * ENGLISH : (number + 1) * ENGLISH],
            "hostile": [
                Text(spoiled.with_inserted(text.content, attack), text.title, text.category)
                for text, attack in zip(victims, attacks[number * HOSTILE : (number + 1) * HOSTILE], strict=True)
            ],
        }
        wanted = {
            "good": GOOD[corpus.good],
            "too long": TOO_LONG,
            "word salad": SALAD,
            "wrong language": ENGLISH,
            "hostile": HOSTILE,
        }
        for kind, texts in mine.items():
            if len(texts) != wanted[kind]:
                raise ValueError(f"{corpus.name} needs {wanted[kind]} texts of the kind '{kind}', the packages hold {len(texts)}")
            for place, text in enumerate(texts):
                files[corpus.files[place % 2]].append(Record(text, kind))
        for place, (text, damage) in enumerate(zip(wrecks, corpus.damages, strict=True)):
            files[corpus.files[place % 2]].append(Record(text, "damaged", damage))
        for place, text in enumerate(good[:DUPLICATES]):
            files[copy_place(number, place)].append(Record(duplicate(text, place), "duplicate"))
    return {name: in_file_order(records) for name, records in files.items()}


def copy_place(corpus: int, place: int) -> str:
    """The file for the copy of a corpus' good text number `place` (which is in file place % 2): same file, its sister, another corpus."""
    own = place % 2
    return (
        CORPORA[corpus].files[own],
        CORPORA[corpus].files[1 - own],
        CORPORA[(corpus + 1) % len(CORPORA)].files[own],
    )[place % 3]


def duplicate(text: Text, place: int) -> Text:
    form = spoiled.DUPLICATE_FORMS[place % len(spoiled.DUPLICATE_FORMS)]
    return Text(form(text.content), text.title, text.category)


def raw_files(records: dict[str, list[Record]]) -> dict[str, bytes]:
    """The bytes of every file below raw/."""
    return {name: corpus.write(name, records[name]) for corpus in CORPORA for name in corpus.files}


def reference_files(reference: dict[str, list[Text]]) -> dict[str, bytes]:
    """The bytes of every file below reference/: lines of {text}."""
    return {
        f"{kind}.jsonl": "".join(json.dumps({"text": text.content}, ensure_ascii=False) + "\n" for text in texts).encode("utf-8")
        for kind, texts in sorted(reference.items())
    }
