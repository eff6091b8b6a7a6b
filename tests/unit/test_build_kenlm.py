"""Finding KenLM's programs, and building them from an archive: a small one of ours, fetched by the real pip from a folder."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pip
import pytest

import build_kenlm

# As KenLM's archive is made: CMake programs in bin/, and a Python package around them that asks for nothing.
ARCHIVE = {
    "CMakeLists.txt": "cmake_minimum_required(VERSION 3.5)\nproject(k C)\nset(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)\n"
    + "".join(f"add_executable({name} main.c)\n" for name in build_kenlm.PROGRAMS),
    "main.c": "int main(void) { return 0; }\n",
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "backend.py": """
import pathlib
def prepare_metadata_for_build_wheel(folder, settings=None):
    info = pathlib.Path(folder, "kenlm-0.3.0.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: kenlm\\nVersion: 0.3.0\\n")
    return info.name
def build_wheel(*_): raise SystemExit("the module is not asked for")
""",
    "PKG-INFO": "Metadata-Version: 2.1\nName: kenlm\nVersion: 0.3.0\n",
}


@pytest.fixture
def archive(tmp_path) -> Path:
    """A folder that pip can take kenlm 0.3.0 from."""
    (tmp_path / "index").mkdir()
    with tarfile.open(tmp_path / "index/kenlm-0.3.0.tar.gz", "w:gz") as tar:
        for name, text in ARCHIVE.items():
            entry = tarfile.TarInfo(f"kenlm-0.3.0/{name}")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return tmp_path / "index"


def lock(folder: Path, digest: str) -> Path:
    (folder / "requirements.lock").write_text(
        f"jinja2==3.1.6 \\\n    --hash=sha256:00\nkenlm==0.3.0 \\\n    --hash=sha256:{digest}\n"
    )
    return folder / "requirements.lock"


def run(
    folder: Path, index: Path, digest: str, *, tools: tuple[str, ...] = ("cmake", "cc", "gcc", "make", "ninja", "ld", "as", "ar")
):
    """The program under a Python beside which no program lies, with these tools on PATH."""
    bin = folder / "bin"
    bin.mkdir(exist_ok=True)
    for name in tools:
        if (found := shutil.which(name)) and not (bin / name).exists():
            (bin / name).symlink_to(found)
    # This Python under another name, so that the programs beside it, which the install step put there, are not found.
    python = folder / "alone/python"
    python.parent.mkdir(exist_ok=True)
    python.unlink(missing_ok=True)
    python.symlink_to(Path(sys.executable).resolve())
    environment = {"PATH": str(bin), "PYTHONPATH": str(Path(pip.__file__).parent.parent), "HOME": str(folder)}
    environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index), "PIP_CONFIG_FILE": os.devnull}
    command = [str(python), build_kenlm.__file__, "--lock", lock(folder, digest), "--into", folder / "tools"]
    return subprocess.run([*command, "--description", folder / "programs.json"], env=environment, capture_output=True, text=True)


def digest_of(index: Path) -> str:
    return hashlib.sha256((index / "kenlm-0.3.0.tar.gz").read_bytes()).hexdigest()


def test_what_is_on_path_is_taken_and_nothing_is_built(tmp_path):
    (tmp_path / "bin").mkdir()
    for name in build_kenlm.NEEDED:
        (tmp_path / "bin" / name).write_text("#!/bin/sh\n")
        (tmp_path / "bin" / name).chmod(0o755)
    done = run(tmp_path, tmp_path / "no-index", "00", tools=())
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "programs.json").read_text()) == {n: str(tmp_path / "bin" / n) for n in build_kenlm.NEEDED}
    assert not (tmp_path / "tools").exists()


def test_what_is_nowhere_is_built_from_the_archive_and_then_found(tmp_path, archive):
    done = run(tmp_path, archive, digest_of(archive))
    assert done.returncode == 0, done.stdout + done.stderr
    places = json.loads((tmp_path / "programs.json").read_text())
    assert places == {name: str(tmp_path / "tools" / name) for name in build_kenlm.NEEDED}
    assert all(os.access(path, os.X_OK) for path in places.values())
    assert sorted(path.name for path in (tmp_path / "tools").iterdir()) == sorted(build_kenlm.PROGRAMS)
    assert run(tmp_path, tmp_path / "no-index", "00", tools=()).returncode == 0, "what was built before is found"


@pytest.mark.parametrize("trouble", ["nothing to fetch", "another archive", "no cmake"])
def test_what_cannot_be_built_is_said_with_a_way_out(tmp_path, archive, trouble):
    digest = "0" * 64 if trouble == "another archive" else digest_of(archive)
    index = tmp_path / "no-index" if trouble == "nothing to fetch" else archive
    done = run(tmp_path, index, digest, tools=() if trouble == "no cmake" else ("cmake", "cc"))
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "envs/system-packages.txt" in done.stderr
    if trouble != "no cmake":
        assert "put lmplz and build_binary on PATH" in done.stderr and "perplexity.kenlm.model" in done.stderr
    assert not (tmp_path / "programs.json").exists() and not (tmp_path / "tools/lmplz").exists()


def test_the_real_lock_names_the_archive(root):
    entry = build_kenlm.locked_requirement((root / "envs/requirements.lock").read_text())
    assert entry.startswith("kenlm==0.3.0") and "--hash=sha256:" in entry
