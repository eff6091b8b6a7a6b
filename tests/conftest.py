"""What several tests need: the project's root, and the demo's material, fetched once from the package registries."""

import subprocess
import sys
from pathlib import Path

import pytest

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
