"""A second perplexity, a reference and another unit, chosen on a finished run: what is made for them, and what is left alone."""

import json
from pathlib import Path

import yaml

from e2e.conftest import CONFIG, Project, finished_jobs
from kun.books.ledger import Ledger
from kun.books.tables import metadata_of, read_columns

KENLM = CONFIG["perplexity"]["kenlm"]


def with_perplexity(project: Project, perplexity: dict) -> None:
    config = CONFIG | {"perplexity": perplexity}
    project.path("config/small.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")


def test_a_causal_perplexity_is_measured_and_cut_beside_the_other(finished: Project, tmp_path: Path) -> None:
    project = finished.copied_to(tmp_path / "kun")
    both = {"measures": ["kenlm", "causal"], "kenlm": KENLM, "causal": {"tokens": 64, "cut": {"percentile": 50}}}
    with_perplexity(project, both)
    ran = finished_jobs(project.snakemake("corpus"))
    shards = len(list(project.path("results/documents").rglob("*.ledger.json")))
    assert ran["measure_causal"] == shards and ran["calibrate"] == 1
    assert not {"ingest", "measure", "train_kenlm"} & set(ran), "the first perplexity is as it was"
    cut = json.loads(project.path("results/calibration/causal_perplexity.json").read_text())
    dropped = 0
    for path in project.path("results/primary").rglob("*.ledger.json"):
        ledger = Ledger.read(path)
        dropped += ledger.dropped.get("high_causal_perplexity", 0)
        assert ledger.notes["identities"]["causal_perplexity"] == cut["identity"]
    kept = [row for path in project.path("results/primary").rglob("*.parquet") if "dropped" not in path.name for row in read(path)]
    assert dropped and kept and all(value <= cut["cuts"]["*"]["high"] * 10 for value in kept)
    page = project.path("results/report/perplexity.html").read_text(encoding="utf-8")
    assert "N-gram perplexity" in page and "Causal perplexity" in page
    both["causal"]["cut"] = {"percentile": 90}
    with_perplexity(project, both)
    ran = finished_jobs(project.snakemake("corpus"))
    assert ran["select_primary"] and not {"measure_causal", "measure", "train_kenlm"} & set(ran), "a moved cut measures nothing"


def read(path: Path) -> list[float]:
    assert "causal_perplexity" in metadata_of(path)
    return [value for batch in read_columns(path, ["causal_perplexity"]) for value in batch["causal_perplexity"]]


def test_pieces_trained_on_a_source_and_a_cut_taken_of_a_reference(finished: Project, tmp_path: Path) -> None:
    project = finished.copied_to(tmp_path / "kun")
    reference = project.path("data/好文.jsonl")
    texts = ["酒店的早餐品种很多，房间也很干净，下次还会再来。", "这本书写得很好，看完以后很有启发。", "服务员的态度很热情。"] * 4
    reference.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), encoding="utf-8")
    kenlm = {"reference": ["data/reference.jsonl", "source:skypile"], "unit": "sentencepiece", "pieces": 4000, "order": 3}
    kenlm |= {"memory": "200M", "structure": "trie", "quantise": 8, "cut": {"percentile": 90, "percentile_of": ["data/好文.jsonl"]}}
    with_perplexity(project, {"kenlm": kenlm})
    ran = finished_jobs(project.snakemake("corpus"))
    assert ran["train_kenlm"] == ran["read_reference"] == ran["calibrate"] == 1
    cut = json.loads(project.path("results/calibration/perplexity.json").read_text())
    pieces = json.loads(project.path("results/models/kenlm/model.json").read_text())["sentencepiece"]
    assert cut["identity"].split(":")[:2] == ["kun2", pieces["fingerprint"][:16]]
    assert cut["cuts"]["*"]["records"] == 3, "a text that occurs twice counts once"
