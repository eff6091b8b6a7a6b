"""What is measured on a text: array forms against Python's own functions, token counts against the tokenizer, shares against a count."""

import re
import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.pre_tokenizers import Split

from kun.signals import kenlm_words
from kun.signals.characters import shares
from kun.signals.forms import bare, codes_of, compatible
from kun.signals.grams import grams
from kun.signals.kenlm_forms import APART
from kun.signals.language import language, language_model
from kun.signals.markup import markup_share
from kun.signals.measure import SCHEMA, Measurer
from kun.signals.repetition import GRAM, repeated_grams, repeated_lines
from kun.signals.token_pieces import Memory
from kun.signals.tokens import TokenCounter

TEXT = "今年的中秋节，我们一家人到海边看月亮。\n\n晚上八点，潮水退了，孩子们在沙滩上跑来跑去！"
# Every plane, compatibility forms, marks that join their neighbour, the sigma whose lower case depends on its place.
ANY = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0")
    | st.sampled_from("ΣσςİǅＡ１ｶﾞ가ᄀ각ﬁ㎏…①℃é\u0301\u3099\U0001d7ce\U00020000👍🏽\u200d，。 \u3000\n")
)
TEXTS = st.lists(ANY, max_size=6)


def python_form(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


@settings(max_examples=300)
@given(TEXTS)
@example(["ΟΔΥΣΣΕΥΣ", "ΑΣ Σ", "ｶﾞ…①", ""])
def test_the_array_form_is_pythons_nfkc_in_lower_case(texts):
    assert compatible(texts).texts() == [python_form(text) for text in texts]


@settings(max_examples=300)
@given(TEXTS)
def test_the_bare_form_keeps_letters_and_digits(texts):
    assert bare(compatible(texts)).texts() == ["".join(filter(str.isalnum, python_form(text))) for text in texts]


def test_a_form_does_not_depend_on_the_batch():
    texts = [TEXT, "", "ﬁ ＡＢＣ", "𠮷野家", TEXT[:5]]
    assert compatible(texts).texts() == [compatible([text]).texts()[0] for text in texts]


# ----------------------------------------------------------------------------------------------------------------- n-grams


@given(st.lists(st.text("天地玄黄宇宙\0", max_size=12), max_size=6), st.integers(1, 5))
def test_equal_n_grams_have_equal_numbers_and_no_other(texts, size):
    found = grams(codes_of(texts), size)
    expected = [text[start : start + size] for text in texts for start in range(len(text) - size + 1)]
    assert found.lengths.tolist() == [max(len(text) - size + 1, 0) for text in texts]
    assert len(set(zip(expected, found.codes.tolist(), strict=True))) == len(set(expected)) == len(set(found.codes.tolist()))


# ------------------------------------------------------------------------------------------------------------------ tokens


@pytest.fixture(scope="module")
def minimind(base_model):
    """Byte-level, with tokens that end in the middle of a character."""
    return Tokenizer.from_file(str(base_model / "tokenizer.json"))


@pytest.fixture(scope="module")
def spelled():
    """As Yi's and Llama's: characters, unknown ones as bytes, no division into words; it holds tokens across signs and spaces."""
    words = [
        "中秋",
        "中秋节",
        "，我",
        "我们",
        "们一",
        "一家人",
        "。\n",
        "▁the",
        "th",
        "he",
        "the",
        "▁t",
        "19",
        "199",
        "海边",
        "边看",
    ]
    singles = sorted(set("".join(words)) | set("今年的家人到看月亮晚上八点潮水退了！。"))
    parts = [f"<0x{byte:02X}>" for byte in range(256)]
    merges = [("中", "秋"), ("中秋", "节"), ("，", "我"), ("我", "们"), ("们", "一"), ("一", "家"), ("海", "边"), ("边", "看")]
    merges += [("t", "h"), ("th", "e"), ("▁", "t"), ("▁t", "he"), ("1", "9"), ("19", "9"), ("。", "\n"), ("h", "e"), ("一家", "人")]
    vocabulary = ["<unk>", *parts, *singles, *(a + b for a, b in merges)]
    model = models.BPE(
        {word: number for number, word in enumerate(dict.fromkeys(vocabulary))},
        merges,
        unk_token="<unk>",
        fuse_unk=True,
        byte_fallback=True,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.ByteFallback()
    return tokenizer


@pytest.fixture(scope="module")
def divided():
    """As Qwen's and GPT-4's: bytes, a rule that divides into words, tokens that begin with the sign before a word."""
    words = Split(
        Regex(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        "isolated",
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    corpus = ["（我们的中秋节），我们一家人。\n\n「海边」(the) it's 1999年，看'看'", " the 的（中）(中)，(a)，'s）。\n"] * 20
    trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    return tokenizer


PIECES = st.sampled_from(
    [
        *"今年的中秋节，我们一家人到海边看。！（）「」(a)'\n １19",
        "  ",
        "the",
        "<|im_end|>",
        "𠮷",
        "é",
        "👍🏽",
        "１９９",
        "'s",
        "\n\n",
        "的的",
    ]
)


@pytest.mark.parametrize("name", ["minimind", "spelled", "divided"])
def test_added_up_pieces_are_the_tokenizers_own_count(name, request):
    tokenizer = request.getfixturevalue(name)
    counter = TokenCounter(tokenizer)
    counter([TEXT] * 2)
    assert counter.cuts is not None, "this tokenizer can be cut"

    @settings(max_examples=1000)
    @given(st.lists(st.lists(PIECES, max_size=12).map("".join) | ANY, max_size=5))
    def compare(texts):
        expected = [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]
        assert counter(texts) == expected
        for memory in counter.memories:
            memory.words[0][:] = 0
        assert counter(texts) == expected, "what is remembered changes nothing"

    compare()


def test_pieces_that_share_a_place_in_the_table_keep_their_own_counts(spelled, monkeypatch):
    monkeypatch.setattr(Memory, "_slots", lambda memory, keys: np.zeros(len(keys[0]), dtype=np.intp))
    counter = TokenCounter(spelled)
    texts = ["中秋节到海边看月亮", "我们一家人", "晚上八点潮水退了", "龘"] * 3
    assert counter(texts) == counter(texts) == [len(spelled.encode(text).ids) for text in texts]


@pytest.mark.parametrize(
    "change",
    [
        lambda tokenizer: setattr(tokenizer, "normalizer", normalizers.Prepend("▁")),
        lambda tokenizer: setattr(tokenizer, "pre_tokenizer", pre_tokenizers.Metaspace()),
        lambda tokenizer: setattr(tokenizer, "pre_tokenizer", pre_tokenizers.ByteLevel(add_prefix_space=True)),
    ],
)
def test_a_tokenizer_that_marks_beginnings_is_asked_for_every_text(spelled, change):
    tokenizer = Tokenizer.from_str(spelled.to_str())
    change(tokenizer)
    counter = TokenCounter(tokenizer)
    assert counter.cuts is None
    assert counter([TEXT, ""]) == [len(tokenizer.encode(TEXT).ids), len(tokenizer.encode("").ids)]


def test_a_tokenizer_that_turns_out_to_disagree_is_asked_for_every_text(spelled):
    counter = TokenCounter(spelled)
    counter.cuts.before = lambda codes, offsets: np.ones(len(codes), dtype=bool)  # as if its vocabulary had been misread
    assert counter([TEXT]) == [len(spelled.encode(TEXT).ids)]
    assert counter.cuts is None


# -------------------------------------------------------------------------------------------------------------- characters


@pytest.mark.parametrize(
    ("text", "column", "share"),
    [
        ("中文abc", "han_share", 2 / 5),
        ("中文，123。 \n", "han_share", 1),
        ("繁體漢字𠮷", "han_share", 1),
        ("かな漢字", "han_share", 1 / 2),
        ("，。123", "han_share", 0),
        ("电话 12345", "digit_share", 5 / 7),
        ("第１２章", "digit_share", 2 / 4),
        ("你好，世界。", "punctuation_share", 2 / 6),
        ("你\ufffd好\ufffd", "garbled_share", 2 / 4),
        ("", "punctuation_share", 0),
    ],
)
def test_shares_of_characters(text, column, share):
    assert shares(codes_of(["前一篇", text, "后一篇"]))[column][1] == pytest.approx(share)


@given(TEXTS)
def test_the_han_share_counts_letters_as_python_does(texts):
    han = [
        sum(
            0x3400 <= ord(c) <= 0x4DBF or 0x4E00 <= ord(c) <= 0x9FFF or 0xF900 <= ord(c) <= 0xFAFF or 0x20000 <= ord(c) <= 0x323AF
            for c in text
        )
        for text in texts
    ]
    letters = [sum(c.isalpha() or 0x20000 <= ord(c) <= 0x323AF or 0xF900 <= ord(c) <= 0xFAFF for c in text) for text in texts]
    expected = [h / max(n, h) if max(n, h) else 0 for h, n in zip(han, letters, strict=True)]
    assert shares(codes_of(texts))["han_share"].tolist() == pytest.approx(expected)


# -------------------------------------------------------------------------------------------------------------- repetition


@given(st.lists(st.text("来去", max_size=60), max_size=5))
def test_repeated_n_grams_as_counted_one_by_one(texts):
    def share(text: str) -> float:
        found = Counter(text[start : start + GRAM] for start in range(len(text) - GRAM + 1))
        return 1 - len(found) / found.total() if found.total() > 1 else 0.0

    assert repeated_grams(codes_of(texts)).tolist() == pytest.approx([share(text) for text in texts])


def test_a_text_that_repeats_itself_shows():
    prose, loop = repeated_grams(codes_of([TEXT, "下一页 上一页 首页 尾页 " * 40]))
    assert prose == 0
    assert loop > 0.9


@pytest.mark.parametrize(
    ("text", "share"), [("一行\n二行\n一行", 2 / 8), ("一行", 0), ("", 0), ("\n\n", 0), ("好\n好\n好\n好", 3 / 7)]
)
def test_repeated_lines(text, share):
    assert repeated_lines(text) == pytest.approx(share)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("请看https://example.org/a?b=1，谢谢", "https://example.org/a?b=1"),
        ("<p>正文</p>", "<p></p>"),
        ("[img]x[/img]图", "[img][/img]"),
        ("若 a < b，则 c > d", ""),
        ("甲&nbsp;乙", "&nbsp;"),
        ("[注]见下文", ""),
    ],
)
def test_markup_is_what_is_not_language(text, found):
    assert markup_share(text) == pytest.approx(len(found) / len(text))


def test_unclosed_tags_do_not_take_forever():
    assert markup_share("<a" * 200_000 + "[url" * 100_000) == 0


# ---------------------------------------------------------------------------------------------------------------- language


@pytest.fixture(scope="module")
def identifier():
    return language_model()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT, "zh"),
        ("今日は天気がいいから、家族みんなで海へ行きました。", "ja"),
        ("The quick brown fox jumps over the lazy dog.", "en"),
        ("오늘은 가족과 함께 바다에 갔습니다.", "ko"),
        ("abc " * 10 + TEXT * 8, "zh"),
    ],
)
def test_a_texts_language(identifier, text, expected):
    assert language(identifier, text)[0] == expected


@pytest.mark.parametrize("text", ["", "\n", "。", "1"])
def test_next_to_nothing_has_some_language_or_none(identifier, text):
    name, probability = language(identifier, text)
    assert isinstance(name, str)
    assert 0 <= probability <= 1


# ----------------------------------------------------------------------------------------------------------------- all


def test_all_signals_of_a_batch_have_their_columns_and_types(minimind, identifier):
    texts = [TEXT, "电话13800138000，邮箱 someone@example.org", "龘", "见https://example.org/a"]
    columns = Measurer(TokenCounter(minimind), identifier, None).columns(list("甲乙丙丁"), texts)
    table = pa.table([pa.array(columns[field.name], type=field.type) for field in SCHEMA], schema=SCHEMA)
    first, second, third, fourth = table.to_pylist()
    assert (first["characters"], first["lines"], first["blank_lines"], first["language"]) == (len(TEXT), 3, 1, "zh")
    assert first["perplexity"] is None, "without a model there is no value, and none is invented"
    assert second["pii_email"] == 1
    assert third["fingerprint"] != first["fingerprint"]
    assert fourth["markup_share"] > 0.5


def test_signals_of_a_text_do_not_depend_on_its_neighbours(minimind, identifier):
    texts = [TEXT, "", "１２３ＡＢＣ…", "𠮷野家\n" * 9, "the end"]
    measurer = Measurer(TokenCounter(minimind), identifier, None)
    together = measurer.columns(list("甲乙丙丁戊"), texts)
    for number, text in enumerate(texts):
        alone = measurer.columns(["甲乙丙丁戊"[number]], [text])
        assert {name: values[0] for name, values in alone.items()} == {name: values[number] for name, values in together.items()}


@given(TEXTS)
def test_tokens_for_kenlm_are_the_same_alone_and_in_a_batch(texts):
    assert list(kenlm_words.tokens_of(compatible(texts))) == [kenlm_words.characters(text) for text in texts]


@given(ANY)
def test_tokens_for_kenlm_are_single_characters_of_the_normal_form(text):
    seen = "".join(" " if character.isspace() else APART.sub("", character) for character in python_form(text))
    runs = re.sub("[a-z]+", "a", re.sub(r"\d+", "0", seen))
    assert kenlm_words.characters(text) == " ".join(runs.replace(" ", ""))
