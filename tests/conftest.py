"""What several tests need: the project's root, the demo's material, fetched once from the package registries, and one small run."""

import subprocess
import sys
from pathlib import Path

import pytest

from e2e.conftest import Project, small_project

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def material(root: Path) -> Path:
    """data/demo with raw shards, reference texts and the base model; made on first use, at once when it is there."""
    folder = root / "data" / "demo"
    subprocess.run([sys.executable, "workflow_scripts/make_demo_material.py", "--into", str(folder)], cwd=root, check=True)
    return folder


@pytest.fixture(scope="session")
def base_model(material: Path) -> Path:
    """MiniMind2-Small: a real Chinese chat model of 26 million parameters."""
    return material / "models" / "MiniMind2-Small"


@pytest.fixture(scope="session")
def fresh(root: Path, material: Path, base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with a little of the demo's material, not run yet."""
    return small_project(root, material, base_model, tmp_path_factory.mktemp("project") / "我的 项目")


@pytest.fixture(scope="session")
def finished(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after one run from scratch on two cores."""
    project = fresh.copied_to(tmp_path_factory.mktemp("finished") / "我的 项目")
    project.snakemake()
    return project
