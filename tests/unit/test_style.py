"""Formatting, lint, and files that are made from others and must not drift from them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent


def run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=root, capture_output=True, text=True)


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]])
def test_python_is_linted_and_formatted(root: Path, command: list[str]) -> None:
    done = run(root, str(BIN / "ruff"), *command, "workflow_scripts", "tests", "benchmarks")
    assert done.returncode == 0, done.stdout + done.stderr


def test_rules_are_formatted(root: Path) -> None:
    done = run(root, str(BIN / "snakefmt"), "--check", "Snakefile", "rules")
    assert done.returncode == 0, done.stdout + done.stderr


def test_snakemake_finds_nothing_to_lint(root: Path, material: Path) -> None:
    done = run(root, str(BIN / "snakemake"), "--configfile", "config/demo.yaml", "--lint")
    assert done.returncode == 0, done.stdout + done.stderr


def test_configuration_files_are_written_from_the_settings(root: Path) -> None:
    done = run(root, sys.executable, "workflow_scripts/write_config.py", "config", "--check")
    assert done.returncode == 0, done.stderr


def test_the_lock_holds_every_pinned_requirement(root: Path) -> None:
    wanted = re.findall(r"^([a-z0-9-]+==[^\s#]+)", (root / "envs/requirements.in").read_text(), re.MULTILINE)
    locked = (root / "envs/requirements.lock").read_text()
    missing = [
        pin for pin in wanted if not re.search(rf"^{re.escape(pin)}\b", locked, re.MULTILINE) and not pin.startswith("torch==")
    ]
    assert wanted and not missing, f"run `make lock`: {missing}"


@pytest.mark.parametrize("build", ["cpu", "cuda"])
def test_vllms_locks_change_nothing_that_the_lock_pins(root: Path, build: str) -> None:
    pins = r"^([a-z0-9._-]+)==([^\s\\;]+)"
    locked = dict(re.findall(pins, (root / "envs/requirements.lock").read_text(), re.MULTILINE))
    extra = dict(re.findall(pins, (root / f"envs/vllm-{build}.lock").read_text(), re.MULTILINE))
    [(name, version)] = re.findall(pins, (root / f"envs/vllm-{build}.in").read_text(), re.MULTILINE)
    assert extra[name] == version and "torch" not in extra, "run `make lock`"
    assert {name: extra[name] for name in extra if locked.get(name, extra[name]) != extra[name]} == {}, "run `make lock`"


def test_the_chapters_depend_downwards_only(root: Path) -> None:
    """The map in docs/architecture.md: a folder of kun/ imports only those before it."""
    order = [
        "settings",
        "books",
        "corpus",
        "signals",
        "selection",
        "completions",
        "roles",
        "training",
        "evaluation",
        "dataset",
        "planning",
        "report",
    ]
    free = {"settings", "demo"}  # every folder may read the settings; the demo's material belongs to none
    for file in sorted((root / "workflow_scripts/kun").rglob("*.py")):
        folder = file.relative_to(root / "workflow_scripts/kun").parts[0]
        if folder not in order:
            continue
        for imported in set(re.findall(r"^\s*from kun\.(\w+)", file.read_text(encoding="utf-8"), re.MULTILINE)) - free - {folder}:
            assert order.index(imported) < order.index(folder), f"{file.relative_to(root)} imports kun.{imported}"
