"""Figures that are not known for sure: a likely value between a low and a high one, and how such figures are put together.

Low and high are meant to hold the truth nineteen times out of twenty where they come from a sample; where they come from a stated share
they are as wide as that share says.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WIDTH = 2  # standard errors to either side


@dataclass(frozen=True)
class Estimate:
    low: float
    likely: float
    high: float

    def times(self, *others: "Estimate") -> "Estimate":
        """The product of independent figures: their relative errors add up as squares do, not one worst case upon the other."""
        parts = (self, *others)
        likely = math.prod(part.likely for part in parts)
        if likely <= 0:
            return Estimate(0.0, 0.0, math.prod(part.high for part in parts))
        up = math.hypot(*(math.log(part.high / part.likely) for part in parts))
        low = 0.0
        if all(part.low > 0 for part in parts):
            low = likely / math.exp(math.hypot(*(math.log(part.likely / part.low) for part in parts)))
        return Estimate(low, likely, likely * math.exp(up))

    def scaled(self, factor: float) -> "Estimate":
        return Estimate(self.low * factor, self.likely * factor, self.high * factor)

    def at_most(self, limit: float) -> "Estimate":
        return Estimate(min(self.low, limit), min(self.likely, limit), min(self.high, limit))

    def rest(self) -> "Estimate":
        """Of a share: what is not in it."""
        return Estimate(1 - self.high, 1 - self.likely, 1 - self.low)

    def as_json(self) -> list[float]:
        return [round(value, 6) for value in (self.low, self.likely, self.high)]


def exactly(value: float) -> Estimate:
    return Estimate(value, value, value)


NOTHING = exactly(0.0)


def within(value: float, factor: float) -> Estimate:
    """A figure that may be out by a factor, either way."""
    return Estimate(value / factor, value, value * factor)


def total(parts: Iterable[Estimate]) -> Estimate:
    """A sum. What is wrong with one part is likely wrong with the others as well, so lows and highs are added as they are."""
    parts = list(parts)
    return Estimate(*(sum(getattr(part, name) for part in parts) for name in ("low", "likely", "high")))


def share(kept: int, of: int, trust: float = 1.0) -> Estimate:
    """A share that was counted on a sample, by Wilson's interval. `trust` below 1: records come in lumps (shards), so they tell as little
    as fewer single ones. Nothing counted: anything."""
    if not of:
        return Estimate(0.0, 0.5, 1.0)
    likely, counted, z = kept / of, of * trust, WIDTH
    middle = (likely + z * z / (2 * counted)) / (1 + z * z / counted)
    half = z / (1 + z * z / counted) * math.sqrt(likely * (1 - likely) / counted + z * z / (4 * counted * counted))
    return Estimate(max(0.0, min(middle - half, likely)), likely, min(1.0, max(middle + half, likely)))


def extrapolated(counts: Sequence[float], sizes: Sequence[float], unread: float, lumpy: bool) -> Estimate:
    """A total over all of a source: what was counted in the pieces that were read, and for `unread` bytes more as much a byte as in these.

    The error is that of a ratio between the pieces (Cochran, Sampling Techniques, 6.4). `lumpy`: the pieces are parts of few files, which
    tell less than pieces of many; their interval is twice as wide.
    """
    counted, read = sum(counts), sum(sizes)
    if unread <= 0 or not read:
        return exactly(counted)
    if not counted:  # what was not seen once may still be there: up to three times, nineteen times out of twenty
        return Estimate(0.0, 0.0, 3 / read * unread)
    ratio, pieces = counted / read, len(counts)
    if pieces < 2:
        return Estimate(counted, counted + unread * ratio, counted + unread * ratio * 4)
    spread = sum((count - ratio * size) ** 2 for count, size in zip(counts, sizes, strict=True))
    error = math.sqrt(pieces / (pieces - 1) * spread) / read * unread * WIDTH * (2 if lumpy else 1)
    likely = counted + unread * ratio
    return Estimate(max(counted, likely - error), likely, likely + error)
