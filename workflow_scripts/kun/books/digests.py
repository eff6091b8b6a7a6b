"""Digests: of values, of files, and of the code that a program runs."""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import orjson

HERE = Path(__file__).resolve().parent.parent.parent  # workflow_scripts/


def digest(*parts: bytes | str, size: int = 16) -> str:
    """BLAKE2b over length-prefixed parts, as hexadecimal of `size` bytes: ("ab", "c") and ("a", "bc") differ."""
    state = hashlib.blake2b(digest_size=size)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def digest_of_value(value: object) -> str:
    """Digest of a JSON-like value; the order of keys does not count."""
    return digest(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digest_of_states(paths: Iterable[Path | str]) -> str:
    """Digest of files' paths, sizes and times, which opens none of them. Raises FileNotFoundError."""
    states = ((str(path), Path(path).stat()) for path in paths)
    return digest(*(f"{path}\0{state.st_size}\0{state.st_mtime_ns}" for path, state in states))


def seed_from(key: str) -> int:
    """A 63-bit seed from a record's key, so that chance depends on the record and on nothing else."""
    return int(digest(key, size=8), 16) >> 1


def code_digest(program: str, *prompts: str) -> str:
    """Digest of a program in workflow_scripts/, of every module of this project that it imports, directly or not, and of the prompts (paths)
    that it works with.

    Comments, docstrings and layout of code do not count: only what would be executed. Snakemake does not follow imports, so rules
    carry this value in their `params:`; a changed function then reruns the rules that use it, and a fresh clone reruns none. Prompts
    come with a clone as code does: their times say nothing either.
    """
    executed = (f"{file.relative_to(HERE)}\0{_executed(file)}" for file in _reached_from(HERE / program))
    return digest(*executed, *(digest_of_file(Path(prompt)) for prompt in prompts))


@cache
def _reached_from(start: Path) -> list[Path]:
    reached, waiting = set(), [start]
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached.add(file)
            waiting.extend(_imported(file))
    return sorted(reached)


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """All statements below a node, however deep. Of expressions, which hold none, there are ten times as many."""
    for part in ("body", "handlers", "orelse", "finalbody", "cases"):
        for below in getattr(node, part, ()):
            yield below
            yield from _statements(below)


@cache
def _executed(file: Path) -> str:
    if file.suffix != ".py":  # a page's or a card's template
        return file.read_text(encoding="utf-8")
    tree = _tree(file)
    for node in (tree, *_statements(tree)):
        body = getattr(node, "body", None)
        first = body[0].value if body and isinstance(body[0], ast.Expr) else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):  # a docstring
            node.body = body[1:]
    return ast.dump(tree)


@cache
def _imported(file: Path) -> tuple[Path, ...]:
    if file.suffix != ".py":
        return ()
    names: list[str] = []
    for node in _statements(_tree(file)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(file for name in names if name.split(".")[0] == "kun" for file in _files_of(name))


def _files_of(module: str) -> Iterable[Path]:
    """The files that importing `module` executes: the packages on the way and the module itself."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        base = HERE.joinpath(*parts[:end])
        # A package imported by its own name is imported for the templates beside it.
        templates = sorted(base.glob("*.jinja")) if end == len(parts) else []
        for file in (base / "__init__.py", base.with_suffix(".py"), *templates):
            if file.is_file():
                yield file


if __name__ == "__main__":
    print(code_digest(sys.argv[1]))
