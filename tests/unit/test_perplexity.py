"""N-gram perplexity of characters and of pieces, with real small models; datatrove, `query` and full_scores as oracles."""

import json
import math
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import kenlm
import pytest
import regex
from datatrove.utils import text as datatrove_text
from datatrove.utils.perplexity import KenlmModel
from hypothesis import given, settings
from hypothesis import strategies as st

from kun.signals import kenlm_perplexity
from kun.signals.forms import compatible
from kun.signals.kenlm_forms import NORMALISERS, ccnet, datatrove, kun
from kun.signals.kenlm_perplexity import AT_ONCE, identity, load, log10_probability
from kun.signals.kenlm_words import Line, characters, line_of_characters, line_of_tokens, lines_of_pieces
from kun.signals.piece_training import train_pieces
from ngram_texts import GOOD, ODD

TEXTS = [
    *GOOD,
    "２０２１年１２月，３．５％…",
    "«你好»—“世界”！？\n第二行：繁體字、ＡＢＣ",
    "Ça va? 가나다 é 👩‍🚀 ㊙",
    "a\tb\x0bc 12.5 3,000",
]
ANY = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("\u3000\u0085\x1c\x00\t\n\v\f\r\u00a8\ufdfa <s>/unk１12.,\u0301é—…İ가"),
    )
)


@pytest.fixture(scope="module")
def folder(root, tmp_path_factory):
    """Models of characters and of pieces, trained by the program."""
    folder = tmp_path_factory.mktemp("kenlm")
    # Split at "\n" alone the reference has 12 good lines and the odd ones.
    (folder / "reference.txt").write_text("\n".join([*GOOD * 3, *ODD]), encoding="utf-8", newline="")
    programs = {
        name: shutil.which(name, path=Path(sys.executable).parent) or shutil.which(name) for name in ("lmplz", "build_binary")
    }
    (folder / "programs.json").write_text(json.dumps(programs))
    for name, more in {"characters": {}, "pieces": {"unit": "sentencepiece", "pieces": 120, "normaliser": "none"}}.items():
        section = {"reference": [str(folder / "reference.txt")], "order": 3, "memory": "32M"} | more
        command = [
            sys.executable,
            "workflow_scripts/train_kenlm.py",
            "--settings",
            json.dumps(section),
            "--plan",
            "none",
            "--results",
            "none",
        ]
        command += ["--programs", folder / "programs.json", "--into", folder / "made", "--description", folder / f"{name}.json"]
        subprocess.run(command, cwd=root, check=True, capture_output=True)
    return folder


def described(folder, name: str, **other) -> dict:
    return json.loads((folder / f"{name}.json").read_text()) | other


@pytest.fixture(scope="module")
def model(folder):
    return kenlm.Model(described(folder, "characters")["path"])


@pytest.fixture(scope="module")
def peer(folder):
    """datatrove's code with our files."""
    import sentencepiece

    facts = described(folder, "pieces")
    peer = KenlmModel("here", "zh")
    peer._model = kenlm.Model(facts["path"])
    peer.tokenizer._model = sentencepiece.SentencePieceProcessor(model_file=facts["sentencepiece"]["path"])
    return peer


# ----------------------------------------------------------------------------------------------------------------- forms


def as_ccnet_has_it(text: str) -> str:
    """Step by step, with datatrove's copy of CCNet's table: the oracle."""
    text = text.strip().lower()
    text = "".join(character for character in unicodedata.normalize("NFD", text) if unicodedata.category(character) != "Mn")
    text = regex.sub(r"\d", "0", text)
    text = "".join(KenlmModel.unicode_punct.get(character, character) for character in text)
    return KenlmModel.non_printing_chars_re.sub("", text)


def test_ccnets_form_of_every_character_is_ccnets():
    for code in (code for code in range(0x20000) if not 0xD800 <= code < 0xE000):
        for text in (chr(code), f"a{chr(code)} b"):
            # the newest digits are known to regex and not yet to Python, whose \\d CCNet uses
            if unicodedata.category(chr(code)) != "Cn":
                assert ccnet(text) == as_ccnet_has_it(text), hex(code)


@settings(max_examples=300, deadline=None, database=None)
@given(ANY)
def test_forms_are_those_of_ccnet_and_datatrove(text):
    if all(unicodedata.category(character) != "Cn" for character in text):
        assert ccnet(text) == as_ccnet_has_it(text)
        assert datatrove(text) == KenlmModel("here", "zh").normalize(text)


def test_full_width_one_is_a_digit_before_it_could_be_ccnets_quotation_mark():
    assert KenlmModel.unicode_punct["１"] == '"'
    assert ccnet("１２") == "00"


def test_ccnet_writes_every_digit_as_0_and_datatrove_every_number():
    assert (ccnet("２０２１年3.14"), datatrove("２０２１年3.14")) == ("0000年0.00", "0年0")


def test_a_newline_is_nothing_to_ccnet():
    assert ccnet("甲。\n乙\x00\u0085") == "甲.乙"


@settings(max_examples=300, deadline=None, database=None)
@given(ANY)
def test_kuns_form_is_the_same_for_pieces_and_for_characters(text):
    assert line_of_characters(kun(text)) == line_of_tokens(characters(text))
    assert kun(kun(text)) == kun(text) and "\n" not in kun(text)


# -------------------------------------------------------------------------------------------------------------- characters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("今天 天气", "今 天 天 气"),
        ("ＡＢ１２，x９", "a 0 , a 0"),
        ("甲\u3000乙\u0085丙\u2028丁\x00戊\u200b己\ufeff庚\x1f辛\r\n壬\u00a0癸", "甲 乙 丙 丁 戊 己 庚 辛 壬 癸"),
        ("<s></s>", "< a > < / a >"),
        ("①٣", "0"),
        ("App版 3.14 v2 a b\u200bc １２ 34，é", "a 版 0 . 0 a 0 a a 0 0 , é"),
        ("一", "一"),
        ("", ""),
        ("\u3000\n\x00", ""),
    ],
)
def test_the_normal_form_is_one_token_a_character(text, expected):
    assert characters(text) == expected


@settings(max_examples=150, deadline=None, database=None)
@given(
    st.text(st.one_of(st.characters(exclude_categories=["Cs"]), st.sampled_from("\u3000\u0085\x1c\u00a8\ufdfa <s>/İ")), max_size=20)
)
def test_no_token_is_empty_or_holds_a_space_of_kenlms_or_pythons(text):
    form = characters(text)
    assert all(len(token) == 1 for token in form.split(" ")) if form else True
    assert form.encode().split() == [token.encode() for token in form.split(" ") if token]


# ----------------------------------------------------------------------------------------------------------------- value


def perplexity(model, text):
    return kenlm_perplexity.perplexity(model, line_of_tokens(characters(text)))


@pytest.mark.parametrize("text", [GOOD[0], "一", "没见过的字龘", "<s> </s> <unk>", "👩‍🚀", "ＡＢ１２"])
def test_perplexity_is_ten_to_the_mean_negative_logarithm_over_characters_and_the_end(model, text):
    scores = [score for score, _, _ in model.full_scores(characters(text))]
    assert len(scores) == len(characters(text).replace(" ", "")) + 1
    assert perplexity(model, text) == pytest.approx(10 ** (-sum(scores) / len(scores)), rel=1e-5)


@pytest.mark.parametrize("text", ["", " ", "\u3000\u0085\n", "\x00\u200b"])
def test_a_text_without_characters_has_no_perplexity(model, text):
    assert perplexity(model, text) is None


def test_words_that_are_special_to_kenlm_are_plain_text(model):
    assert characters("<unk>") == "< a >"
    for word in ("<s>", "</s>", "<unk>"):
        assert perplexity(model, GOOD[0] + word) == perplexity(model, GOOD[0] + characters(word))
        assert perplexity(model, GOOD[0] + word) > perplexity(model, GOOD[0])


def test_width_case_digits_spaces_and_what_nobody_sees_do_not_change_the_value(model):
    forms = ["全角12ab", "全角３４ＡＢ", "\ufeff全\u3000角 98\u0085aB\n", "全角\x0012\u200bab\u2028"]
    assert len({perplexity(model, form) for form in forms}) == 1


def test_shuffled_text_is_worse_than_fluent_text(model):
    shuffled = "".join(sorted(GOOD[0]))
    assert perplexity(model, GOOD[0]) < perplexity(model, shuffled) < perplexity(model, "龘靐齉爩鱻麤") < math.inf


def test_a_long_text_has_a_finite_value(model):
    assert 1 < perplexity(model, "龘" * 100_000) < math.inf
    assert perplexity(model, (GOOD[1] + "\n") * 5000) < perplexity(model, "龘" * 100_000)


@pytest.mark.parametrize(
    "text", ["龘" * 30_000, (GOOD[0] + GOOD[2]) * 1000, "今天" * (AT_ONCE // 2) + "好", "今天" * (AT_ONCE // 2)]
)
def test_a_long_line_is_what_its_words_add_up_to_in_double_precision(model, text):
    (line,) = line_of_tokens(characters(text))
    truth = sum(score for score, _, _ in model.full_scores(line.words))
    assert log10_probability(model, line) == pytest.approx(truth, rel=3e-5)
    longer = Line(line.words.replace("天", "天气"), line.count)  # words of several characters
    truth = sum(score for score, _, _ in model.full_scores(longer.words))
    assert log10_probability(model, longer) == pytest.approx(truth, rel=3e-5)


def test_kenlms_own_sum_of_a_very_long_line_is_off_by_more(model):
    """Why lines are cut: if this fails, KenLM sums better than it did, and the cutting can go."""
    (line,) = line_of_tokens("龘 " * 600_000)
    one = next(model.full_scores("龘 龘 龘"))[0]
    truth = sum(score for score, _, _ in model.full_scores(line.words))
    assert one < 0 and abs(model.score(line.words) / truth - 1) > 1e-3
    assert log10_probability(model, line) == pytest.approx(truth, rel=3e-5)


# ------------------------------------------------------------------------------------------------------------------ pieces


@pytest.mark.parametrize(
    ("pieces", "lines"),
    [
        (["▁今天", "天气"], [("▁今天 天气", 2)]),
        ([], []),
        (["\n"], []),
        (["\x00", "\t"], []),
        (["甲\n乙", "丙", "\n"], [("甲", 1), ("乙 丙", 2), ("", 0)]),
        (["甲\x00乙"], [("甲 乙", 2)]),
        (["甲\x0b", "\x0c乙\r\t丙"], [("甲 乙 丙", 3)]),
        (["a b", "c"], [("a b c", 3)]),
        (["甲\u3000乙", "\u0085", "\u2028"], [("甲\u3000乙 \u0085 \u2028", 3)]),
        (["<s>", "<", "/s>"], [("‹s› < /s>", 3)]),
        (["</s>", "<unk>", "<UNK>", "\t<s>"], [("‹/s› ‹unk› ‹UNK› ‹s›", 4)]),
    ],
)
def test_words_are_cut_where_kenlm_cuts_and_none_is_special(pieces, lines):
    assert lines_of_pieces(pieces) == lines


@settings(max_examples=300, deadline=None, database=None)
@given(st.lists(ANY.filter(bool), max_size=6))
def test_kenlm_sees_as_many_words_as_are_counted(model, pieces):
    for line in lines_of_pieces(pieces):
        seen = list(model.full_scores(line.words))
        assert len(seen) == line.count + 1
        assert "\0" not in line.words and "\n" not in line.words
        assert not {"<s>", "</s>", "<unk>"} & set(line.words.split(" "))


@pytest.mark.parametrize("normaliser", ["none", "datatrove", "ccnet"])
def test_values_are_datatroves(folder, peer, normaliser, monkeypatch):
    if normaliser == "ccnet":  # the one thing in which datatrove's form is not CCNet's
        monkeypatch.setattr(datatrove_text, "NUMBERS_PATTERN", regex.compile(r"\p{Nd}"))
    texts = [*TEXTS, *("".join(GOOD[::step]) * 3 for step in (1, 2, -1)), "第一行\n第二行\n\n第四行\n"]
    texts = [text for text in texts if normaliser != "none" or "\x00" not in text]
    values = load(described(folder, "pieces", normaliser=normaliser)).of(texts)
    assert values == pytest.approx([peer.get_perplexity(text, normaliser != "none") for text in texts], abs=0.0501)


def test_where_python_cuts_and_kenlm_does_not_the_count_is_kenlms(folder, peer):
    """datatrove divides by the wrong n here: Python's split() cuts at U+3000, which KenLM has as a word or in one."""
    text = "今天\u3000天气\u3000很\u3000好"
    ngrams = load(described(folder, "pieces", normaliser="none"))
    ((line,),) = ngrams.words([text], None)
    scores = [score for score, _, _ in ngrams.model.full_scores(line.words)]
    assert len(scores) == line.count + 1 != len(line.words.split()) + 1
    assert ngrams.of([text]) == pytest.approx([10 ** (-sum(scores) / len(scores))], rel=1e-5)
    assert abs(ngrams.of([text])[0] - peer.get_perplexity(text, False)) > 0.1


def test_text_after_nul_counts(folder):
    ngrams = load(described(folder, "pieces", normaliser="none"))
    assert ngrams.of([GOOD[0] + "\0" + "龘" * 50]) != ngrams.of([GOOD[0]])
    assert ngrams.model.score("今\0龘 龘") == ngrams.model.score("今"), "KenLM stops at NUL, so none may reach it"


@pytest.mark.parametrize("normaliser", list(NORMALISERS))
@pytest.mark.parametrize("name", ["characters", "pieces"])
def test_empty_short_and_unknown_texts_have_sound_values(folder, name, normaliser):
    ngrams = load(described(folder, name, normaliser=normaliser))
    assert ngrams.of(["", " ", "\n", "\r\n\t"]) == [None] * 4
    for value in ngrams.of(["一", "龘", "，", "〇～", "<s>", "</s>", "<unk>", "👩‍🚀", "\u3000好"]):
        assert 1 < value < math.inf


def test_special_words_cannot_come_through_pieces_that_nobody_knows(folder, tmp_path):
    """Without Latin letters in the vocabulary SentencePiece gives `<s>` as one unknown piece; KenLM would take it for its own."""
    import sentencepiece

    (tmp_path / "sp.model").write_bytes(train_pieces(GOOD * 3, 60))
    assert "<s>" in sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "sp.model")).encode_as_pieces("今天<s>很好")
    facts = described(
        folder, "characters", normaliser="none", sentencepiece={"path": str(tmp_path / "sp.model"), "fingerprint": "0" * 64}
    )
    values = load(facts).of([f"今天{word}很好" for word in ("<s>", "</s>", "<unk>", "<q>", "</q>")])
    assert len(set(values)) == 1


@pytest.mark.parametrize("name", ["characters", "pieces"])
def test_values_are_those_of_query(folder, name):
    ngrams = load(described(folder, name))
    query = shutil.which("query", path=Path(sys.executable).parent) or shutil.which("query")
    for text, value in zip(TEXTS, ngrams.of(TEXTS), strict=True):
        (lines,) = ngrams.words([text], None)
        asked = "".join(f"{line.words}\n" for line in lines)
        done = subprocess.run([query, "-v", "sentence", ngrams.model.path], input=asked, capture_output=True, text=True, check=True)
        totals = [float(row.split()[1]) for row in done.stdout.split("\n") if row.startswith("Total:")]
        assert len(totals) == len(lines)
        assert value == pytest.approx(10 ** (-sum(totals) / sum(line.count + 1 for line in lines)), rel=1e-3)


def test_punctuation_in_another_form_than_the_models_is_unknown_to_it(folder):
    """What a wrong normaliser costs: full-width commas that CCNet's form would have mapped."""
    ngrams = load(described(folder, "characters"))
    assert ngrams.of([GOOD[0]])[0] < load(described(folder, "characters", normaliser="none")).of([GOOD[0]])[0]


@pytest.mark.parametrize("name", ["characters", "pieces"])
def test_codes_at_hand_change_nothing(folder, name):
    ngrams = load(described(folder, name, normaliser="kun"))
    assert ngrams.of(TEXTS, compatible(TEXTS)) == ngrams.of(TEXTS) == [ngrams.of([text])[0] for text in TEXTS]
    if name == "pieces":
        plain = load(described(folder, name, normaliser="none"))
        assert ngrams.of(TEXTS) == plain.of([kun(text) for text in TEXTS])


# ---------------------------------------------------------------------------------------------------------------- identity


def test_a_values_identity_names_normal_form_words_and_model(folder):
    facts, pieces = described(folder, "characters"), described(folder, "pieces")
    assert identity(facts) == load(facts).identity == f"kun2:characters:{facts['fingerprint'][:16]}"
    assert identity(pieces) == f"none:{pieces['sentencepiece']['fingerprint'][:16]}:{pieces['fingerprint'][:16]}"
    other = pieces["sentencepiece"] | {"fingerprint": "0" * 64}
    changed = [facts | {"normaliser": "ccnet"}, facts | {"fingerprint": "0" * 64}, pieces | {"sentencepiece": other}]
    assert len({identity(each) for each in [facts, pieces, *changed]}) == 5


@pytest.mark.parametrize("part", ["model", "pieces"])
def test_a_file_that_is_no_model_is_named(folder, tmp_path, part):
    (tmp_path / "bad.bin").write_bytes(b"no model")
    bad = str(tmp_path / "bad.bin")
    facts = described(folder, "pieces")
    facts = facts | ({"path": bad} if part == "model" else {"sentencepiece": {"path": bad, "fingerprint": "0" * 64}})
    with pytest.raises(ValueError, match=r"bad\.bin.*perplexity\.kenlm"):
        load(facts)
