"""Where a cut will lie, as far as that can be known before the corpus is measured."""

from pathlib import Path

import numpy as np

from kun.planning.corpus import Sampled, Share
from kun.planning.estimates import Estimate, exactly
from kun.selection.columns import TOKENS
from kun.selection.cut import Band, Cuts
from kun.settings.perplexity import Cut


def bands_known(calibration: Path, identity: str, sources: list[str]) -> dict[str, Band] | None:
    """The bands that are pinned already, by source; None where there are none, or not for each source, or for values of another model."""
    if not calibration.is_file():
        return None
    cuts = Cuts.read(calibration)
    if cuts.identity not in (None, identity) or not all(source in cuts.bands or "*" in cuts.bands for source in sources):
        return None
    return {source: cuts.of(source) for source in sources}


def bands_of_sample(samples: list[Sampled], documents: dict[str, float], column: str, cut: Cut) -> dict[str, Band] | None:
    """The bands that percentiles would give, by source. `documents`: how many each source is expected to have, because its sample stands
    for them. None where percentiles are taken of other text."""
    if not cut.by_percentile():
        return {found.source: Band(cut.minimum, cut.maximum, cut.doubt) for found in samples}
    if cut.files():
        return None
    values = {found.source: _values(found, column) for found in samples}
    groups = [[source] for source in values] if cut.percentile_of == "source" else [list(values)]
    bands: dict[str, Band] = {}
    for group in groups:
        value = np.concatenate([values[source][0] for source in group])
        tokens = np.concatenate([values[source][1] for source in group])
        weight = np.concatenate(
            [np.full(len(values[source][0]), documents[source] / max(1, len(values[source][0]))) for source in group]
        )
        factor = np.exp(cut.doubt / np.sqrt(np.maximum(tokens, 1)))
        high = weighted_percentile(value / factor, weight, cut.percentile) if cut.percentile is not None else cut.maximum
        low = weighted_percentile(value * factor, weight, cut.low_percentile) if cut.low_percentile is not None else cut.minimum
        bands |= {source: Band(low, high, cut.doubt) for source in group}
    return bands


def _values(found: Sampled, column: str) -> tuple[np.ndarray, np.ndarray]:
    """(values, tokens) of different documents that have a value, as the calibration takes them."""
    import polars as pl

    table = pl.read_parquet(found.signals, columns=["id", column, TOKENS[column]]).drop_nulls(column)
    table = table.filter(pl.col(column).is_finite()).unique("id", keep="first", maintain_order=True)
    return table[column].cast(pl.Float64).to_numpy(), table[TOKENS[column]].cast(pl.Float64).to_numpy()


def weighted_percentile(values: np.ndarray, weights: np.ndarray, percentile: float) -> float | None:
    """Linear between neighbours, as with equal weights; None of nothing."""
    if not len(values):
        return None
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    places = np.cumsum(weights) - weights  # the first is at 0 and the last at the sum of all but itself
    return float(np.interp(percentile / 100 * places[-1], places, values)) if places[-1] > 0 else float(values[0])


def share_by_definition(cut: Cut, assumed: Estimate) -> Share:
    """What a cut keeps of all documents where no value is known."""
    if cut.maximum is not None or cut.minimum is not None or cut.files():
        return Share(assumed, certain=False)
    kept = (cut.percentile if cut.percentile is not None else 100) - (cut.low_percentile or 0)
    return Share(exactly(kept / 100), certain=True)
