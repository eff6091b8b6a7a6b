"""The perplexity.kenlm section: what contradicts itself or is not there is told before anything starts."""

import pytest
from pydantic import ValidationError

from kun.settings.load import BadConfiguration, load
from kun.settings.perplexity import Kenlm


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"sentencepiece": "zh.sp.model"}, "belongs to a given `model`"),
        ({"model": "zh.arpa.bin", "unit": "sentencepiece"}, "needs their SentencePiece file"),
        ({"quantise": 8}, "structure: trie"),
        ({"prune": [1, 0]}, "none below the one before it"),
        ({"prune": [0, 0, 0, 0, 0, 1]}, "at most `order` figures"),
        ({"reference": ["good.parquet"]}, "neither source:NAME nor a file ending in .jsonl"),
        ({"normaliser": "nfkc"}, "kun"),
        ({"order": 7}, "6"),
    ],
)
def test_what_does_not_fit_together_is_said(section, words):
    with pytest.raises(ValidationError, match=words):
        Kenlm(**section)


@pytest.mark.parametrize(
    ("section", "normaliser"),
    [
        ({}, "kun"),
        ({"model": "m.bin"}, "kun"),
        ({"model": "zh.arpa.bin", "sentencepiece": "zh.sp.model"}, "ccnet"),
        ({"model": "zh.arpa.bin", "sentencepiece": "zh.sp.model", "normaliser": "none"}, "none"),
        ({"unit": "sentencepiece"}, "kun"),
    ],
)
def test_the_normal_form_follows_from_the_model(section, normaliser):
    assert Kenlm(**section).chosen_normaliser() == normaliser


def test_only_a_model_of_documents_is_pinned():
    pinned = [Kenlm(), Kenlm(reference=["source:a"]), Kenlm(reference=["r.txt", "source:a"])]
    free = [Kenlm(reference=["r.txt"]), Kenlm(model="m.bin"), Kenlm(model="m.bin", reference=["source:a"])]
    assert [section.pinned() for section in pinned + free] == [True] * 3 + [False] * 3
    assert pinned[2].sources_of_reference() == ["a"]


def test_sources_and_files_that_are_not_there_are_named(tmp_path, root, monkeypatch):
    monkeypatch.chdir(root)
    (tmp_path / "r.txt").write_text("好")
    corpus = {"sources": [{"name": "mine", "format": "jsonl", "path": str(tmp_path)}]}

    def faults(section: dict) -> str:
        with pytest.raises(BadConfiguration) as caught:
            load({"corpus": corpus, "perplexity": {"kenlm": section}})
        return str(caught.value)

    assert "perplexity.kenlm.reference: there is no source 'other'; known: mine" in faults({"reference": ["source:other"]})
    assert "perplexity.kenlm.reference[1]: there is no 'gone.txt'" in faults({"reference": [str(tmp_path / "r.txt"), "gone.txt"]})
    said = faults({"model": str(tmp_path / "r.txt"), "sentencepiece": "gone.model"})
    assert "perplexity.kenlm.sentencepiece: there is no 'gone.model'" in said
    good = load({"corpus": corpus, "perplexity": {"kenlm": {"reference": ["source:mine", str(tmp_path / "r.txt")]}}})
    assert good.perplexity.kenlm.pinned()
