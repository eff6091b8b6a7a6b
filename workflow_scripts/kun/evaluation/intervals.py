"""95 % intervals by the bootstrap (percentiles of resamples), always of the same seed.

What is resampled is the record: a question, or a held-out pair with all its tokens. Samples of several models over the same records are
resampled together, so that the interval of a difference leaves out what is common to both.
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.stats import bootstrap

Interval = tuple[float, float]
RESAMPLES, CONFIDENCE, SEED = 2000, 0.95, 20240111
AT_ONCE = 4_000_000  # values drawn at a time: 32 MB


def mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    return values.mean(axis=axis)


def ratio(values: np.ndarray, weights: np.ndarray, axis: int = -1) -> np.ndarray:
    """Mean of so many values by weight: nats over tokens."""
    return values.sum(axis=axis) / weights.sum(axis=axis)


def difference_of_ratios(
    values: np.ndarray, weights: np.ndarray, other_values: np.ndarray, other_weights: np.ndarray, axis: int = -1
) -> np.ndarray:
    return ratio(values, weights, axis) - ratio(other_values, other_weights, axis)


def interval(statistic: Callable[..., np.ndarray], *samples: Sequence[float]) -> Interval | None:
    """The interval of `statistic` over samples whose records are the same, place by place; None of fewer than two records."""
    arrays = [np.asarray(sample, dtype=np.float64) for sample in samples]
    if len(arrays[0]) < 2:
        return None
    found = bootstrap(
        arrays,
        statistic,
        n_resamples=RESAMPLES,
        batch=max(1, AT_ONCE // len(arrays[0])),
        confidence_level=CONFIDENCE,
        method="percentile",
        paired=True,
        vectorized=True,
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(found.low), float(found.high)
