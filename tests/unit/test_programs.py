"""Every program explains itself at once: heavy libraries are imported only when there is work for them."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "workflow_scripts"
PROGRAMS = sorted(path.name for path in SCRIPTS.glob("*.py"))
HEAVY = ("torch", "transformers", "vllm", "datasets", "trl", "sklearn")

# --help leaves by SystemExit; what was imported until then is said afterwards.
CODE = f"""
import runpy, sys
sys.argv = sys.argv[1:]
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    print("ended with", end.code)
print("heavy:", [name for name in {HEAVY} if name in sys.modules])
"""


def test_there_are_programs():
    assert {"ingest.py", "label.py", "score.py", "polish.py", "train_model.py"} <= set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_comes_at_once_and_imports_nothing_heavy(name: str):
    command = [sys.executable, "-c", CODE, str(SCRIPTS / name), "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("usage:")
    assert lines[-2:] == ["ended with 0", "heavy: []"]
    assert len(" ".join(lines).split()) > 15  # a sentence on what it does, not the options alone
