"""Character perplexity with a real small KenLM model, and the other signals."""

import json
import math
import subprocess
import sys

import kenlm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kun.signals import kenlm_perplexity
from kun.signals.kenlm_perplexity import identity
from kun.signals.kenlm_words import characters, line_of_tokens

GOOD = [
    "今天天气很好，我们去公园散步。",
    "他昨天去图书馆借了两本书。",
    "我们学校的图书馆很大，书也很多。",
    "公园里的花开得很好看。",
]


def train(root, folder, reference: str, *, name: str = "reference.txt") -> subprocess.CompletedProcess:
    (folder / name).write_text(reference, encoding="utf-8", newline="")
    settings_json = json.dumps({"reference": [str(folder / name)], "order": 3, "memory": "32M"})
    command = [
        sys.executable,
        "workflow_scripts/train_kenlm.py",
        "--settings",
        settings_json,
        "--plan",
        "none",
        "--results",
        "none",
    ]
    command += ["--model", str(folder / "model.bin"), "--description", str(folder / "model.json")]
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


@pytest.fixture(scope="module")
def folder(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kenlm")
    odd = ["\ufeff控制\x00字符\x1b", "<s> </s> <unk>", "\u3000\u3000全角１２ＡＢ", "", "\u0085", "👩‍🚀表情", "一", "繁體\u2028字"]
    done = train(root, folder, "\n".join([*GOOD * 3, *odd]))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return kenlm.Model(str(folder / "model.bin"))


def test_training_says_what_it_made_and_cleans_up(folder):
    facts = json.loads((folder / "model.json").read_text())
    assert (facts["order"], facts["texts"], len(facts["fingerprint"])) == (3, 12 + 6, 64)
    assert sorted(path.name for path in folder.iterdir()) == ["model.bin", "model.json", "reference.txt"]


def test_training_again_gives_the_same_model(root, folder, tmp_path):
    assert train(root, tmp_path, (folder / "reference.txt").read_text(encoding="utf-8")).returncode == 0
    assert (tmp_path / "model.bin").read_bytes() == (folder / "model.bin").read_bytes()


def test_a_reference_without_text_is_an_error_and_leaves_no_model(root, tmp_path):
    done = train(root, tmp_path, "\n\u3000\n\x00\n")
    assert done.returncode != 0 and "there is no text in it" in done.stderr
    assert not (tmp_path / "model.bin").exists() and not (tmp_path / "model.json").exists()


def test_a_damaged_reference_line_is_named(root, tmp_path):
    done = train(root, tmp_path, '{"text": "好"}\n{"other": 1}\n', name="r.jsonl")
    assert done.returncode != 0 and "r.jsonl:2" in done.stderr


# ------------------------------------------------------------------------------------------------------------------ form


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("今天 天气", "今 天 天 气"),
        ("ＡＢ１２，x９", "a b 0 0 , x 0"),
        ("甲\u3000乙\u0085丙\u2028丁\x00戊\u200b己\ufeff庚\x1f辛\r\n壬\u00a0癸", "甲 乙 丙 丁 戊 己 庚 辛 壬 癸"),
        ("<s></s>", "< s > < / s >"),
        ("①٣", "0 0"),
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
    assert characters("<unk>") in ("< u n k >",)
    for word in ("<s>", "</s>", "<unk>"):
        assert perplexity(model, GOOD[0] + word) == perplexity(model, GOOD[0] + " ".join(word))
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


def test_a_values_identity_names_normal_form_words_and_model(folder):
    facts = json.loads((folder / "model.json").read_text())
    assert identity(facts) == f"kun2:characters:{facts['fingerprint'][:16]}"
