"""The configuration: every fault is told at once and by name, the defaults are Kun's, and the documentation is made from the models."""

import json
import re
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest
import yaml

from kun.settings.document import as_schema, as_yaml
from kun.settings.load import PUBLISHED, BadConfiguration, is_hub_id, load
from kun.settings.root import Settings


@pytest.fixture
def good(tmp_path, root, monkeypatch) -> dict:
    """The smallest configuration that is right; prompts and seed are found from the project's root."""
    monkeypatch.chdir(root)
    (tmp_path / "data").mkdir()
    return {"corpus": {"sources": [{"name": "mine", "format": "jsonl", "path": str(tmp_path / "data")}]}}


def faults(config) -> list[str]:
    with pytest.raises(BadConfiguration) as caught:
        load(config)
    first, *rest = str(caught.value).splitlines()
    assert first == "The configuration has faults; nothing was started."
    return [fault.removeprefix("  - ") for fault in rest]


# -------------------------------------------------------------------------------------------------------------- defaults


def test_the_defaults_are_kuns_figures(good):
    settings = load(good)
    assert (settings.training.label.epochs, settings.training.chat.epochs) == (6, 4)
    assert settings.training.label.learning_rate == settings.training.chat.learning_rate == 1e-5
    assert settings.primary.max_tokens == 512


def test_one_epoch_key_alone_keeps_the_other_defaults(good):
    settings = load(good | {"training": {"label": {"epochs": 2}}})
    assert (settings.training.label.epochs, settings.training.label.learning_rate, settings.training.chat.epochs) == (2, 1e-5, 4)


def test_nothing_changes_after_loading(good):
    with pytest.raises(ValueError, match="frozen"):
        load(good).primary.max_tokens = 5


def test_text_in_place_of_a_number_counts_as_the_number(good):
    config = good | {"training": {"label": {"epochs": "3", "learning_rate": "2e-5"}}, "primary": {"max_tokens": "256"}}
    settings = load(config)
    assert (settings.training.label.epochs, settings.training.label.learning_rate, settings.primary.max_tokens) == (3, 2e-5, 256)


# ---------------------------------------------------------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("part", "key", "near"),
    [
        ({"primray": {}}, "primray", "primary"),
        ({"primary": {"max_token": 1}}, "primary.max_token", "max_tokens"),
        ({"training": {"label": {"epoch": 6}}}, "training.label.epoch", "epochs"),
        ({"training": {"label": {"epochs": 6, "learningrate": 1}}}, "training.label.learningrate", "learning_rate"),
        ({"perplexity": {"kenlm": {"ordr": 5}}}, "perplexity.kenlm.ordr", "order"),
        ({"label": {"decoding": {"temprature": 1}}}, "label.decoding.temprature", "temperature"),
    ],
)
def test_an_unknown_key_is_named_with_the_nearest_one(good, part, key, near):
    [fault] = [fault for fault in faults(good | part) if fault.startswith(f"{key}: there is no such key")]
    assert f"did you mean {near}?" in fault


def test_an_unknown_key_of_a_source_is_named_with_its_place(good):
    good["corpus"]["sources"][0]["titel"] = "x"
    [fault] = faults(good)
    assert fault.startswith("corpus.sources[0].titel: there is no such key; did you mean title?")


def test_a_key_like_none_other_gets_no_guess_but_the_known_ones(good):
    [fault] = faults(good | {"primary": {"词": 1}})
    assert "did you mean" not in fault and "Known here: max_tokens, min_characters, min_han_share" in fault


@pytest.mark.parametrize(
    ("part", "key"),
    [
        ({"primary": None}, "primary"),
        ({"primary": {"max_tokens": 0}}, "primary.max_tokens"),
        ({"primary": {"max_tokens": "many"}}, "primary.max_tokens"),
        ({"primary": {"max_tokens": 1.5}}, "primary.max_tokens"),
        ({"primary": {"min_han_share": 50}}, "primary.min_han_share"),
        ({"primary": {"min_han_share": float("nan")}}, "primary.min_han_share"),
        ({"training": {"label": {"epochs": float("inf")}}}, "training.label.epochs"),
        ({"training": {"label": {"epochs": 6, "learning_rate": "1e-5x"}}}, "training.label.learning_rate"),
        ({"instructions": {"rules": "Kun"}}, "instructions.rules"),
        ({"perplexity": {"kenlm": {"cut": {"maximum": 100, "percentile": 80}}}}, "perplexity.kenlm.cut"),
        ({"perplexity": {"kenlm": {"cut": {"minimum": 100, "maximum": 10}}}}, "perplexity.kenlm.cut"),
        ({"perplexity": {"kenlm": {"cut": {"percentile": 10, "low_percentile": 10}}}}, "perplexity.kenlm.cut"),
        ({"perplexity": {"kenlm": {"cut": {"percentile_of": []}}}}, "perplexity.kenlm.cut"),
        ({"perplexity": {"kenlm": {"quantise": 8}}}, "perplexity.kenlm"),
        ({"perplexity": {"kenlm": {"prune": [1, 0]}}}, "perplexity.kenlm"),
        ({"perplexity": {"causal": {"tokens": 100, "stride": 101}}}, "perplexity.causal"),
        ({"perplexity": {"measures": ["ngram"]}}, "perplexity.measures[0]"),
        ({5: 1}, "[5]"),
    ],
)
def test_a_wrong_value_is_named_with_what_was_found(good, part, key):
    [fault] = faults(good | part)
    assert fault.startswith(f"{key}: ") and "(found " in fault


@pytest.mark.parametrize("name", ["", "a/b", "a b", "../x", "维基", "-x", "a.b", "a\n"])
def test_a_sources_name_must_fit_file_names(good, name):
    good["corpus"]["sources"][0]["name"] = name
    assert faults(good)[0].startswith("corpus.sources[0].name: ")


def test_a_needed_key_that_is_missing_is_named(good):
    del good["corpus"]["sources"][0]["path"]
    assert faults(good) == ["corpus.sources[0].path: this key is needed"]


def test_all_faults_are_told_at_once(good):
    assert len(faults(good | {"primary": {"max_tokens": 0, "x": 1}, "answers": {"max_repetition": 2}, "y": 1})) == 4


@pytest.mark.parametrize("config", [None, 5, [], "text"])
def test_what_is_no_mapping_is_a_fault_of_the_configuration(config):
    [fault] = faults(config)
    assert fault.startswith("the configuration: ")


def test_a_long_wrong_value_does_not_flood_the_message(good):
    [fault] = faults(good | {"primary": {"max_tokens": "九" * 10_000}})
    assert len(fault) < 300


# ------------------------------------------------------------------------------------------------------------------ disk


def test_files_that_are_not_there_are_named_by_key(good):
    parts = {
        "models": {"base": "/no/base", "label": "./no/label"},
        "seed": {"files": ["no.jsonl"]},
        "polish": {"prompt": "no.jinja"},
    }
    keys = [fault.partition(":")[0] for fault in faults(good | parts | {"perplexity": {"kenlm": {"model": "no.bin"}}})]
    assert sorted(keys) == ["models.base", "models.label", "perplexity.kenlm.model", "polish.prompt", "seed.files[0]"]


def test_a_cut_is_not_taken_of_what_the_model_was_trained_on(good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "好文.txt").write_text("今天天气很好。\n", encoding="utf-8")
    kenlm = {"reference": ["好文.txt"], "cut": {"percentile": 90, "percentile_of": [str(tmp_path / "好文.txt")]}}
    good["corpus"]["sources"] = [source | {"path": str(tmp_path)} for source in good["corpus"]["sources"]]
    [fault] = [fault for fault in faults(good | {"perplexity": {"kenlm": kenlm}}) if fault.startswith("perplexity")]
    assert fault.startswith("perplexity.kenlm.cut.percentile_of: 好文.txt is what the model is trained on")


def test_without_any_source_the_demo_is_pointed_at(good):
    assert faults({})[0].startswith("corpus.sources: name at least one source")


def test_two_sources_of_one_name_are_a_fault(good):
    good["corpus"]["sources"] *= 2
    assert faults(good) == ["corpus.sources: two sources are named 'mine'"]


def test_a_base_model_is_needed_only_where_something_is_trained(good, tmp_path):
    assert faults(good | {"models": {"base": None}}) == [
        "models.base: needed, because the model for label and chat is to be trained"
    ]
    given = {role: str(tmp_path) for role in ("label", "point", "answer")}
    assert load(good | {"models": {"base": None} | given, "seed": {"files": ["no.jsonl"]}}).models.trained_roles() == []


def test_published_corpora_are_found_by_their_names_in_a_fixed_order(good, tmp_path, monkeypatch):
    for name in reversed(PUBLISHED):
        (tmp_path / "raw" / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    for folder in (str(tmp_path / "raw"), "~/raw"):
        sources = load({"corpus": {"data_folder": folder}}).corpus.sources
        assert [(source.name, source.format) for source in sources] == list(PUBLISHED.values())


def test_a_data_folder_without_published_corpora_is_a_fault(good, tmp_path):
    [fault] = faults({"corpus": {"data_folder": str(tmp_path)}})
    assert fault.startswith("corpus.data_folder: none of WuDaoCorpus2.0_base_200G, ")


def test_a_hub_id_is_told_from_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("models").mkdir()
    names = ["01-ai/Yi-6B", "./a/b", "/a/b", "~/b", "a", "a/b/c", "models/missing"]
    assert [name for name in names if is_hub_id(name)] == ["01-ai/Yi-6B"]


# -------------------------------------------------------------------------------------------------------- documentation


@pytest.mark.parametrize(("name", "made"), [("config.yaml", as_yaml), ("schema.json", as_schema)])
def test_the_files_in_config_are_current(root, name, made):
    assert (root / "config" / name).read_text(encoding="utf-8") == made(), "run `make config`"


def test_the_documented_configuration_is_the_defaults_value_by_value():
    """Also that YAML reads small numbers as numbers: PyYAML takes 1e-05 for text."""
    assert yaml.safe_load(as_yaml()) == Settings().model_dump()


def test_every_key_is_documented():
    lines = as_yaml().splitlines()
    for above, line in pairwise(lines):
        if re.match(r" *\w+:", line):
            assert above.strip().startswith("#"), line


def test_the_schema_takes_what_is_right_and_refuses_a_misspelt_key():
    schema = json.loads(as_schema())
    jsonschema.validate(yaml.safe_load(as_yaml()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"primary": {"max_token": 5}}, schema)


@pytest.mark.parametrize("name", ["demo.yaml", "humpback.yaml", "kun-34b.yaml"])
def test_the_shipped_configurations_have_no_key_or_value_that_is_unknown(root, name):
    Settings.model_validate(yaml.safe_load((root / "config" / name).read_text(encoding="utf-8")))


def test_the_published_sizes_carry_kuns_figures(root):
    published = Settings.model_validate(yaml.safe_load((root / "config/kun-34b.yaml").read_text(encoding="utf-8")))
    label, chat = published.training.label, published.training.chat
    assert (label.epochs, label.learning_rate, chat.epochs, chat.learning_rate, published.primary.max_tokens) == (
        6,
        1e-5,
        4,
        1e-5,
        512,
    )


def test_a_data_folder_beside_sources_is_a_fault(good, tmp_path):
    (tmp_path / "raw/SkyPile-150B").mkdir(parents=True)
    [fault] = faults({"corpus": {**good["corpus"], "data_folder": str(tmp_path / "raw")}})
    assert fault.startswith("corpus.data_folder: it takes the place of corpus.sources")


def test_a_home_folder_is_spelled_out_once_for_all(good, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "seed.jsonl").write_text("", encoding="utf-8")
    settings = load({**good, "seed": {"files": ["~/seed.jsonl"]}, "results": "~/results"})
    assert settings.seed.files == [str(tmp_path / "seed.jsonl")] and settings.results == str(tmp_path / "results")
