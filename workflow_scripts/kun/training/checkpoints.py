"""Checkpoints of a training: what it needs to go on at a step as if it had never been ended.

    {folder}/step-000120/process-0.safetensors   weights and AdamW's averages, this process's part of them
    {folder}/step-000120/note.json               identity, step, what was recorded so far; size and SHA-256 of every file

A checkpoint is written under another name and renamed when every process's file and then the note are on the disk; whatever has no note, or
a file that is not as the note says, is torn and not taken. The two newest are kept, so that one torn by a failing disk costs only the steps
since the one before. No randomness needs keeping: chance is seeded by the step.
"""

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from kun.books.digests import digest_of_file
from kun.training.processes import Processes

KEPT = 2


class Checkpoint(NamedTuple):
    """A whole checkpoint: `folder` holds a file of each of the `processes` that wrote it; `note` is what was given to `write`."""

    folder: Path
    step: int
    processes: int
    note: dict[str, Any]


class NoSpace(Exception):
    """The disk is full, or the quota used up; nothing half-written is left."""


def write(
    folder: Path, step: int, identity: str, tensors: dict[str, torch.Tensor], note: dict[str, Any], processes: Processes
) -> None:
    """Keeps this process's `tensors` as its part of the checkpoint of `step`; all processes call it together. Raises NoSpace."""
    part, name = folder / f"step-{step:06}.part", f"process-{processes.number}.safetensors"
    try:
        part.mkdir(parents=True, exist_ok=True)
        save_file({key: value.contiguous() for key, value in tensors.items()}, part / name)
        _to_disk(part / name)
        files = processes.gathered([name, (part / name).stat().st_size, digest_of_file(part / name)])
        if processes.first:
            whole = {"identity": identity, "step": step, "files": files, "note": note}
            (part / "note.json").write_text(json.dumps(whole, ensure_ascii=False), encoding="utf-8")
            _to_disk(part / "note.json")
            part.rename(folder / f"step-{step:06}")
            _to_disk(folder)
            for old in sorted(folder.glob("step-??????"))[:-KEPT]:
                shutil.rmtree(old)
    except (OSError, SafetensorError) as fault:
        shutil.rmtree(part, ignore_errors=True)
        if is_no_space(fault):
            raise NoSpace(str(folder)) from fault
        raise
    processes.wait()


def newest(folder: Path, identity: str, processes: Processes) -> Checkpoint | None:
    """The last whole checkpoint of the same training. Others, torn ones and left-overs are removed; all processes call it together."""
    for path in sorted(folder.glob("step-*"), reverse=True):
        whole = _note(path)
        same = whole is not None and whole["identity"] == identity
        # Each process looks at some of the files, so that no one has to read all of them.
        good = same and all(
            _as_noted(path / name, size, sum_) for name, size, sum_ in whole["files"][processes.number :: processes.count]
        )
        if all(processes.gathered(good)):
            return Checkpoint(path, whole["step"], len(whole["files"]), whole["note"])
        if processes.first:
            shutil.rmtree(path, ignore_errors=True)
        processes.wait()
    return None


def read_tensor(checkpoint: Checkpoint, name: str, processes: Processes, shape: torch.Size, cut: bool) -> torch.Tensor:
    """This process's part of a tensor whose whole has `shape`; `cut`: it is cut among processes now, along its first dimension as torch.chunk
    cuts (FSDP2). Where fewer or more processes wrote the checkpoint than go on, it is put together and cut anew."""
    files = [checkpoint.folder / f"process-{number}.safetensors" for number in range(checkpoint.processes)]
    if checkpoint.processes == processes.count:
        return _read(files[processes.number], name)
    first = _read(files[0], name)
    whole = first if first.shape == shape else torch.cat([first, *(_read(file, name) for file in files[1:])])
    if not cut:
        return whole
    parts = whole.chunk(processes.count)
    return parts[processes.number] if processes.number < len(parts) else whole[:0]


def is_no_space(fault: BaseException) -> bool:
    """Whether a full disk or a used-up quota is behind an error; safetensors wraps the system's number in words."""
    numbers = (errno.ENOSPC, errno.EDQUOT)
    return getattr(fault, "errno", None) in numbers or any(f"os error {number}" in str(fault) for number in numbers)


def _note(path: Path) -> dict[str, Any] | None:
    try:
        whole = json.loads((path / "note.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return (
        whole
        if path.suffix != ".part" and isinstance(whole, dict) and {"identity", "step", "files", "note"} <= whole.keys()
        else None
    )


def _as_noted(path: Path, size: int, sha256: str) -> bool:
    return path.is_file() and path.stat().st_size == size and digest_of_file(path) == sha256


def _read(file: Path, name: str) -> torch.Tensor:
    with safe_open(file, "pt") as tensors:
        return tensors.get_tensor(name)


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
