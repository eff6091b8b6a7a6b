"""Which pairs an optimiser step learns, and which process computes which of them: planned beforehand, from content alone.

The plan knows neither the number of processes nor how many pairs one computes at once: those decide only how a step's pairs are dealt. So
one process and eight take the same steps, and a training that goes on after it was ended needs to know no more than the number of its step.
"""

from collections.abc import Sequence
from math import ceil

from kun.books.digests import digest

Step = list[int]  # places of examples


def planned_steps(ids: Sequence[str], epochs: float, batch: int, seed: int) -> list[Step]:
    """The steps of a training: `epochs` passes over the examples, each in an order of its own, `batch` a step, what is left in the last one.

    An order comes from digests of the examples' ids, so it does not depend on where in the file an example stands.
    """
    wanted = max(1, round(epochs * len(ids)))
    places: list[int] = []
    for epoch in range(ceil(wanted / len(ids))):
        places += sorted(range(len(ids)), key=lambda place: (digest(str(seed), str(epoch), ids[place]), place))
    places = places[:wanted]
    return [places[start : start + batch] for start in range(0, wanted, batch)]


def dealt(step: Step, lengths: Sequence[int], at_once: int, processes: int) -> list[list[Step]]:
    """A step as rounds of one micro-batch for each process: at most `at_once` examples of about one length, so that little is filled up.

    Every process computes in every round, since they wait for each other; where examples run out its micro-batch is empty, and it computes
    something that does not count.
    """
    by_length = sorted(step, key=lambda place: (-lengths[place], place))
    rounds = [by_length[start : start + at_once * processes] for start in range(0, len(by_length), at_once * processes)]
    return [[round_[process::processes] for process in range(processes)] for round_ in rounds]
