"""The Slurm profile: that it works as typed, and that it names what the rules have."""

import re
from pathlib import Path

import pytest
import yaml
import yte

RULE = r"^(?:use )?(?:rule|checkpoint) (\w+)(?: as (\w+))?"


def profile(root: Path, monkeypatch: pytest.MonkeyPatch, site: Path | None = None) -> dict:
    monkeypatch.chdir(root)
    if site:
        monkeypatch.setenv("KUN_SITE", str(site))
    with (root / "slurm/config.yaml").open() as stream:
        return yte.process_yaml(stream, require_use_yte=True)


def test_the_root_link_leads_to_the_profile(root: Path) -> None:
    assert (root / "slurm").readlink() == Path("profiles/slurm")


def test_as_it_stands_it_asks_for_nothing_that_a_cluster_may_lack(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = profile(root, monkeypatch)
    assert options["executor"] == "slurm" and options["retries"] == 2
    assert "slurm-partition-config" not in options and "set-resources" not in options
    assert set(options["default-resources"]) == {"mem_mb", "runtime"}
    assert not any("array" in name for name in options), "arrays report the wrong states"


def test_a_site_says_everything_in_one_file(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "我们的.yaml"
    said = {"account": "p100", "gpu_model": "h100", "scratch": "/scratch/$USER", "partitions": {"gpu": {"max_gpu": 8}}}
    site.write_text(yaml.safe_dump(said | {"options": {"jobs": 7, "slurm-qos": "long"}}), encoding="utf-8")
    monkeypatch.setenv("USER", "小明")
    options = profile(root, monkeypatch, site)
    assert options["jobs"] == 7 and options["slurm-qos"] == "long"
    assert options["slurm-partition-config"] == str(site)
    assert options["default-resources"]["slurm_account"] == "p100"
    assert options["default-resources"]["tmpdir"] == "'/scratch/小明'"
    assert options["set-resources"]["label"] == {"gpu_model": "h100"}


def test_the_kind_of_gpu_is_set_for_the_rules_that_ask_for_one(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site.yaml"
    empty = {"account": None, "scratch": None, "partitions": {}, "options": {}}
    site.write_text(yaml.safe_dump(empty | {"gpu_model": "h100"}))
    named = set(profile(root, monkeypatch, site)["set-resources"])
    assert named == rules_with_gpus(root), "profiles/slurm/config.yaml: gpu_rules"


def rules_with_gpus(root: Path) -> set[str]:
    """Rules whose resources name gpu, and those made from them."""
    found: set[str] = set()
    for file in sorted((root / "rules").glob("*.smk")):
        for text in re.split(r"\n\n\n", file.read_text(encoding="utf-8")):
            if head := re.search(RULE, text, re.MULTILINE):
                parent, own = head[1], head[2]
                resources = re.search(r"^    resources:\n((?:        .*\n)+)", text, re.MULTILINE)
                asks = bool(resources and re.search(r"\bgpu=|resources_of_training", resources[1]))
                if asks or (own and parent in found):
                    found.add(own or parent)
    return found
