"""The processes that train one model together, as torchrun starts them; one alone where it did not."""

import ctypes
import os
import signal
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

PR_SET_PDEATHSIG = 1


class Processes(NamedTuple):
    """This process's number and how many there are."""

    number: int
    count: int

    @property
    def first(self) -> bool:
        return self.number == 0

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            dist.barrier()

    def gathered(self, value: Any) -> list[Any]:
        """What each process gave, in order. Values are JSON-like: torch moves them pickled, between these processes only."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        dist.all_gather_object(values, value)
        return values


def join() -> Processes:
    """Joins the processes that torchrun started, over NCCL on GPUs and gloo on CPUs."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return Processes(0, 1)
    # torchrun ended by SIGKILL would leave its children behind, holding GPUs and writing checkpoints beside those of the next run.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return Processes(dist.get_rank(), count)


def leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
