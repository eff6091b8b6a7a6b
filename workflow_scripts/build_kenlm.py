"""Build KenLM's programs (lmplz, build_binary, query) from the source archive that the lock names.

The PyPI package `kenlm` installs the Python module alone; its source archive holds the programs as well. conda-forge's kenlm has
them ready, so a cluster that uses envs/kenlm.yaml never runs this.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PROGRAMS = ("lmplz", "build_binary", "query")


def locked_requirement(lock: str) -> str:
    """The lock's entry for kenlm, hashes included. Raises ValueError if there is none."""
    match = re.search(r"^kenlm==(?:.*\\\n)*.*", lock, re.MULTILINE)
    if not match:
        raise ValueError("the lock file has no entry kenlm==…; make it again with envs/lock.sh")
    return match.group(0)


def run(command: list[str]) -> None:
    """Run a command quietly; on failure show the end of what it said."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(
            f"{' '.join(command)}\n{done.stdout[-3000:]}\nbuilding KenLM failed: see envs/system-packages.txt for what it needs"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lock", type=Path, required=True, help="requirements.lock")
    parser.add_argument("--into", type=Path, required=True, help="folder for the programs")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        requirement = work / "requirement.txt"
        requirement.write_text(locked_requirement(arguments.lock.read_text(encoding="utf-8")))
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        run([*pip, "download", "--no-deps", "--no-binary", "kenlm", "--require-hashes", "-r", str(requirement), "-d", folder])
        with tarfile.open(next(work.glob("kenlm-*.tar.gz"))) as archive:
            archive.extractall(work, filter="data")
        source = next(path for path in work.glob("kenlm-*") if path.is_dir())
        run(
            [
                "cmake",
                "-S",
                str(source),
                "-B",
                f"{folder}/build",
                "-DCMAKE_BUILD_TYPE=Release",
                "-DCMAKE_POLICY_VERSION_MINIMUM=3.5",
            ]
        )
        run(["cmake", "--build", f"{folder}/build", "-j", str(os.cpu_count()), "--target", *PROGRAMS])
        arguments.into.mkdir(parents=True, exist_ok=True)
        for program in PROGRAMS:
            shutil.copy2(next(work.glob(f"build/**/bin/{program}")), arguments.into / program)


if __name__ == "__main__":
    main()
