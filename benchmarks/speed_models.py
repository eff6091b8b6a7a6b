"""The models that all measured programs share: one KenLM file over characters, and one SentencePiece model that cuts into them."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow_scripts"))

from build_kenlm import find
from kun.signals.kenlm_words import characters

PEERS = Path(__file__).resolve().parent / "peers"


def train_kenlm(text: Path, order: int, into: Path) -> Path:
    """Trained on the text itself, as the workflow does it: characters in Kun's normal form, lmplz, a probing table."""
    lines, arpa, model = (into / name for name in ("characters.txt", "model.arpa", "model.bin"))
    with text.open("rb") as source, lines.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for row in source if (line := characters(orjson.loads(row)["text"])))
    _run(
        [
            _program("lmplz"),
            "-o",
            str(order),
            "-S",
            "2G",
            "-T",
            str(into),
            "--discount_fallback",
            "--text",
            str(lines),
            "--arpa",
            str(arpa),
        ]
    )
    _run([_program("build_binary"), "probing", str(arpa), str(model)])
    return model


def train_sentencepiece(text: Path, peers: str, into: Path) -> Path:
    """Trained in the peers' environment on the same text, cut into lines short enough for SentencePiece.

    It normalises as Kun does, character by character, so that KenLM has the same words to look up for everyone, and none it never saw.
    """
    lines, rules, model = into / "lines.txt", into / "rules.tsv", into / "characters.model"
    rules.write_text(
        "".join(f"{code:X}\t{' '.join(f'{ord(each):X}' for each in form)}\n" for code, form in _forms()), encoding="utf-8"
    )
    with text.open("rb") as source, lines.open("w", encoding="utf-8") as stream:
        for row in source:
            stream.writelines(f"{line}\n" for line in re.findall(r".{1,1000}", orjson.loads(row)["text"]))
    _run([peers, str(PEERS / "train_sentencepiece.py"), str(lines), str(rules), str(model)])
    return model


def _forms() -> Iterator[tuple[int, str]]:
    """(character, its form) for those of the first plane that change or go."""
    for code in (code for code in range(1, 0x10000) if not 0xD800 <= code < 0xE000):
        form = characters(chr(code)).replace(" ", "")
        if form != chr(code):
            yield code, form


def _program(name: str) -> str:
    return find(name) or sys.exit(f"{name} is neither beside this Python nor on PATH; `make install` builds it")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}")
