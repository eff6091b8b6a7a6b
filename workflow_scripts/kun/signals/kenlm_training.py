"""Lines of words to a KenLM file: lmplz counts and smooths, build_binary packs, and what goes from one to the other never lies on a disk.

lmplz sorts on disk within the memory that it is given, so text may be far larger than memory. build_binary holds a probing model whole.
"""

import signal
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from kun.books.digests import digest_of_value
from kun.settings.perplexity import Kenlm
from kun.signals.kenlm_forms import NORMALISERS

FULL = ("No space left on device", "File too large", "Disk quota exceeded")


def name_of_model(settings: Kenlm) -> str:
    """A digest of the settings that shape a trained model: its folder's name. Files are named by their paths, not by what is in them."""
    shaping = settings.model_dump(include={"reference", "unit", "order", "prune", "structure", "quantise"})
    if settings.pinned():
        shaping["sample_documents"] = settings.sample_documents
    if settings.unit == "sentencepiece":
        shaping["pieces"] = settings.pieces
    return digest_of_value(shaping | {"normaliser": NORMALISERS[settings.chosen_normaliser()][0]})


class TrainingFailed(Exception):
    """The message says which program failed, with what, and what to do."""


def train_ngrams(lines: Iterable[str], model: Path, settings: Kenlm, programs: dict[str, str], temporary: Path) -> None:
    """Writes the binary model. `programs`: where lmplz and build_binary are; `temporary`: a folder for what is sorted on disk.

    Raises TrainingFailed. What is at `model` then is no model and must be thrown away.
    """
    # The programs' words go to files: two pipes could fill up while nobody reads them.
    with tempfile.TemporaryFile() as counted, tempfile.TemporaryFile() as packed:
        counting = subprocess.Popen(
            _counting(settings, programs["lmplz"], temporary), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=counted
        )
        packing = subprocess.Popen(
            _packing(settings, programs["build_binary"], temporary, model),
            stdin=counting.stdout,
            stdout=subprocess.DEVNULL,
            stderr=packed,
        )
        counting.stdout.close()  # it is the other program's now
        try:
            _write(lines, counting)
            counting.wait()
            packing.wait()
        finally:
            for process in (counting, packing):
                process.kill()
                process.wait()
        faults = {"lmplz": _fault(counting, counted), "build_binary": _fault(packing, packed)}
    # One that failed takes the other with it: lmplz finds nobody who reads, or build_binary an unfinished text.
    blame = "build_binary" if faults["build_binary"] and counting.returncode == -signal.SIGPIPE else "lmplz"
    fault = faults[blame] or faults["build_binary"]
    if fault:
        raise TrainingFailed(f"{blame if faults[blame] else 'build_binary'} {fault}\n{_advice(fault, model, temporary)}")


def _counting(settings: Kenlm, lmplz: str, temporary: Path) -> list[str]:
    # Small references lack the counts that Kneser-Ney discounts are estimated from; the fallback is lmplz's own remedy.
    command = [lmplz, "-o", str(settings.order), "-S", settings.memory, "-T", f"{temporary}/", "--discount_fallback"]
    return [*command, "--prune", *map(str, settings.prune)] if settings.prune else command


def _packing(settings: Kenlm, build_binary: str, temporary: Path, model: Path) -> list[str]:
    command = [build_binary, "-S", settings.memory, "-T", f"{temporary}/"]
    if settings.quantise is not None:
        command += ["-q", str(settings.quantise), "-b", str(settings.quantise)]
    return [*command, settings.structure, "/dev/stdin", str(model)]


def _write(lines: Iterable[str], counting: subprocess.Popen) -> None:
    try:
        with counting.stdin as stream:
            for line in lines:
                stream.write(line.encode() + b"\n")
    except BrokenPipeError:
        pass  # it ended before its text did, and says why


def _fault(process: subprocess.Popen, said: object) -> str:
    """How a program ended and the end of what it said; "" for one that did its work."""
    if process.returncode == 0:
        return ""
    said.seek(0)
    words = said.read().decode("utf-8", "replace")[-2000:].strip()
    if process.returncode > 0:
        return f"failed:\n{words}"
    return f"was ended by {signal.Signals(-process.returncode).name}:\n{words}"


def _advice(fault: str, model: Path, temporary: Path) -> str:
    if any(words in fault for words in (*FULL, "SIGBUS", "SIGXFSZ")):
        return f"There is no room in {temporary} or {model.parent}; perplexity.kenlm.temporary names a folder with more."
    if "SIGKILL" in fault or "conservative -S" in fault or "total memory" in fault:
        return (
            "Memory: perplexity.kenlm.memory is what sorting may take (32M at least), and `structure: trie` makes a smaller model."
        )
    return "See perplexity.kenlm; a reference of a few hundred different sentences is the least that n-grams can be smoothed from."
