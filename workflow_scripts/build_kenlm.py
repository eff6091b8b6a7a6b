"""build_kenlm: find KenLM's programs (lmplz, build_binary), or build them from the source archive that the lock names.

They are looked for beside this Python, on PATH, and where they were built before. The PyPI package `kenlm` installs the Python module
alone; its source archive, which pip fetches and checks against the lock, holds the programs as well. envs/kenlm.yaml brings the compiler
and the libraries for it.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

PROGRAMS = ("lmplz", "build_binary", "query")
NEEDED = PROGRAMS[:2]


def find(name: str, *folders: Path) -> str | None:
    """Where a program is: beside this Python (where the install step puts it), on PATH, or in one of the folders."""
    return shutil.which(name, path=os.pathsep.join(map(str, [Path(sys.executable).parent, os.environ.get("PATH", ""), *folders])))


def locked_requirement(lock: str) -> str:
    """The lock's entry for kenlm, hashes included. Raises ValueError if there is none."""
    match = re.search(r"^kenlm==(?:.*\\\n)*.*", lock, re.MULTILINE)
    if not match:
        raise ValueError("the lock file has no entry kenlm==…; make it again with envs/lock.sh")
    return match.group(0)


def run(command: list[str]) -> None:
    """Run a command quietly; on failure show the end of what it said."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except FileNotFoundError:
        sys.exit(f"building KenLM needs {command[0]}, which is not on PATH: see envs/system-packages.txt")
    if done.returncode:
        sys.exit(
            f"{' '.join(command)}\n{done.stdout[-3000:]}\nbuilding KenLM failed: see envs/system-packages.txt for what it needs. Without "
            "network, put lmplz and build_binary on PATH, or give a model that is made already (perplexity.kenlm.model)."
        )


def build(requirement: str, into: Path) -> None:
    """Fetch the archive, check its hash, build the programs, and put them into the folder all at once."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "requirement.txt").write_text(requirement)
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        run(
            [
                *pip,
                "download",
                "--no-deps",
                "--no-binary",
                "kenlm",
                "--require-hashes",
                "-r",
                f"{folder}/requirement.txt",
                "-d",
                folder,
            ]
        )
        with tarfile.open(next(work.glob("kenlm-*.tar.gz"))) as archive:
            archive.extractall(work, filter="data")
        source = next(path for path in work.glob("kenlm-*") if path.is_dir())
        options = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_POLICY_VERSION_MINIMUM=3.5"]
        run(["cmake", "-S", str(source), "-B", f"{folder}/build", *options])
        run(["cmake", "--build", f"{folder}/build", "-j", str(os.cpu_count()), "--target", *PROGRAMS])
        into.mkdir(parents=True, exist_ok=True)
        for program in PROGRAMS:
            partial = into / f"{program}.partial"
            shutil.copy2(next(work.glob(f"build/**/bin/{program}")), partial)
            partial.rename(into / program)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lock", type=Path, required=True, help="requirements.lock")
    parser.add_argument("--into", type=Path, required=True, help="folder for the programs, where they have to be built")
    parser.add_argument("--description", type=Path, help="JSON to write: where each program is")
    arguments = parser.parse_args()

    if not all(find(name, arguments.into) for name in NEEDED):
        build(locked_requirement(arguments.lock.read_text(encoding="utf-8")), arguments.into)
    if arguments.description:
        places = {name: find(name, arguments.into) for name in NEEDED}
        arguments.description.write_text(json.dumps(places, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
