"""The score section: one way to cut, in the units of the verdicts; words as YAML gives them; a judge of pairs; keys that are gone."""

import pytest
import yaml
from snakemake.utils import update_config

from kun.settings.load import BadConfiguration, load
from kun.settings.roles import BINARY, SHIPPED_LABELS, Judging, Score, ScoreCut
from kun.settings.root import Settings

FIVE = {str(value): value for value in range(1, 6)}
PAIR = {"target": "pair", "prompt": "config/prompts/score-pair.jinja"}


@pytest.fixture
def fault(root, tmp_path, monkeypatch):
    """What is said of a score section."""
    monkeypatch.chdir(root)

    def said(**score) -> str:
        sources = [{"name": "mine", "format": "jsonl", "path": str(tmp_path)}]
        with pytest.raises(BadConfiguration) as caught:
            load({"corpus": {"sources": sources}, "score": score})
        return str(caught.value)

    return said


def test_the_default_is_kuns_verdict_at_one_half():
    assert Score().worth() == BINARY == {"好": 1, "差": 0}
    assert Score().cut() == ScoreCut(minimum=0.5, doubt=0)


@pytest.mark.parametrize("key", ["good", "bad"])
def test_the_former_keys_say_what_to_write_now(fault, key):
    message = fault(**{key: "好"})
    assert f"score.{key}: this key is gone; " in message and "score: {verdicts: {好: 1, 差: 0}}" in message


@pytest.mark.parametrize(
    "cut",
    [
        {"threshold": 0.5, "percentile": 50},
        {"threshold": 0.5, "precision": 0.9},
        {"threshold": 0.5, "budget": 100},
        {"threshold": None, "percentile": 50, "budget": 100},
        {"threshold": None, "percentile": 50, "precision": 0.9},
        {"threshold": None, "precision": 0.9, "budget": 100},
        {"precision": 0.9},  # beside the default threshold
    ],
)
def test_a_score_is_cut_in_one_way(fault, cut):
    message = fault(**cut)
    given = [name for name, value in cut.items() if value is not None]
    assert "score: give one of threshold, percentile, precision, budget" in message and all(name in message for name in given)


@pytest.mark.parametrize("cut", [{}, {"percentile": 50}, {"precision": 0.9}, {"budget": 100}])
def test_each_way_to_cut_is_one_of_the_cuts_that_are_found(cut):
    made = Score(threshold=None, **cut).cut()
    assert made.by_percentile() == bool({"percentile", "budget"} & set(cut))
    assert (made.low_percentile, made.precision, made.budget) == (cut.get("percentile"), cut.get("precision"), cut.get("budget"))
    assert ScoreCut.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    ("verdicts", "threshold", "right"),
    [
        (None, 0, True),
        (None, 1, True),
        (None, 1.01, False),
        (None, -0.01, False),
        (FIVE, 4, True),
        (FIVE, 4.5, True),
        (FIVE, 0.5, False),  # the binary rubric's default
        (FIVE, 5.5, False),
        ({"好": 1, "差": -1}, -0.5, True),
        ({"差": -1, "好": 1}, -1.5, False),
    ],
)
def test_a_threshold_is_in_the_units_of_the_verdicts(fault, verdicts, threshold, right):
    if right:
        assert Score(verdicts=verdicts, threshold=threshold).cut().minimum == threshold
    else:
        assert "`threshold` is in the units of `verdicts`, from " in fault(verdicts=verdicts, threshold=threshold)


def test_words_that_yaml_reads_as_numbers_are_words():
    section = yaml.safe_load("{verdicts: {1: 1, 2: 2, '3': '3', 4: 4, 5: 5}, threshold: 4}")
    assert Score.model_validate(section).worth() == FIVE
    assert list(Score.model_validate(section).worth()) == ["1", "2", "3", "4", "5"]


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ("{yes: 1, no: 0}", "put each word in quotes: YAML read one of them as True"),
        ("{1.5: 1, 2: 0}", "put each word in quotes: YAML read one of them as 1.5"),
        ("{好: 1}", "at least two words of different values"),
        ("{}", "at least two words of different values"),
        ("{好: 1, 很好: 1}", "at least two words of different values"),
        ("{好: 1, ' ': 0}", "a word is empty"),
        ("{好: 1, 差: .inf}", "score.verdicts.差"),
        ("[好, 差]", "score.verdicts: "),
    ],
)
def test_verdicts_that_cannot_tell_good_from_bad_are_faults(fault, verdicts, said):
    assert said in fault(**yaml.safe_load(f"verdicts: {verdicts}"))


def test_a_rubric_of_ones_own_takes_the_place_of_the_default(root):
    """Snakemake merges mappings, so a default that held words would stay among one's own."""
    config = yaml.safe_load((root / "config/config.yaml").read_text(encoding="utf-8"))
    update_config(config, {"score": {"verdicts": FIVE, "threshold": 4}})
    assert Settings.model_validate(config).score.worth() == FIVE


def test_a_judge_of_pairs_needs_a_prompt_that_shows_the_text(fault):
    assert "`target: pair` needs a `prompt` that shows {{ text }}" in fault(target="pair")


def test_pairs_are_measured_on_a_set_of_ones_own_only(fault, tmp_path):
    assert Score(**PAIR).labelled == [SHIPPED_LABELS] and Score(**PAIR).files_of_labels() == []
    assert Score(**PAIR, labelled="mine.jsonl").files_of_labels() == ["mine.jsonl"]
    assert "none of pairs comes along" in fault(**PAIR, threshold=None, precision=0.8)
    assert "`labelled`, which names no file" in fault(threshold=None, precision=0.8, labelled=[])


def test_labelled_files_must_be_there(fault):
    assert "score.labelled[1]: there is no 'no.jsonl'" in fault(labelled=[SHIPPED_LABELS, "no.jsonl"])


def test_perplexities_know_nothing_of_labels_and_budgets(fault, root):
    with pytest.raises(ValueError, match="budget"):
        Settings.model_validate({"perplexity": {"kenlm": {"cut": {"budget": 5}}}})


def test_how_it_is_judged_is_the_score_section_without_its_cut():
    part = Score(verdicts=FIVE, threshold=4).model_dump(exclude={"threshold", "percentile", "precision", "budget", "labelled"})
    assert Judging.model_validate(part).worth() == FIVE


def test_humpbacks_figures_are_the_papers(root):
    section = yaml.safe_load((root / "config/humpback.yaml").read_text(encoding="utf-8"))
    settings = Settings.model_validate(section)
    assert (settings.label.decoding.temperature, settings.label.decoding.top_p) == (0.7, 0.9)
    assert (settings.score.target, settings.score.worth(), settings.score.threshold) == ("pair", FIVE, 4)
