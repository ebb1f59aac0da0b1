"""How far series move together: the correlation of their changes from one horizon to the next.

The change is the sum of a horizon minus that of the same seasons before it: the error of the seasonal naive forecast of
the total. Series whose totals change together have forecasts whose totals err together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float

    from throughtime.data.series.panel import Panel

_MIN_CHANGES = 8  # of a series, without which it says nothing on correlations
_MAX_SERIES = 400  # that are compared
_MAX_STEPS = 1_000  # from the end of the series


def horizon_changes(
    panel: Panel, season: int, horizon: int
) -> tuple[Float[np.ndarray, "n t"], Float[np.ndarray, "n t"]]:
    """Return the changes of each series by date in units of their spread, and 1 where they are known, else 0."""
    lag = -(-horizon // season) * season
    chosen = np.unique(np.linspace(0, len(panel) - 1, min(len(panel), _MAX_SERIES)).astype(int))
    missing = panel.steps_to_common_end(np.ones(len(panel), dtype=bool))
    length = min(int((panel.lengths + missing)[chosen].max()), _MAX_STEPS + lag + horizon)
    values = np.full((len(chosen), length), np.nan)
    for row, i in enumerate(chosen):
        aligned = np.concatenate([panel[i], np.full(missing[i], np.nan)])[-length:]
        values[row, length - len(aligned) :] = aligned
    step = horizon if length >= lag + horizon + _MIN_CHANGES else 1
    lag = min(lag, max(length - step - _MIN_CHANGES, 1)) if step == 1 else lag
    sums = np.lib.stride_tricks.sliding_window_view(values, min(step, length), axis=1).sum(2)
    changes = sums[:, lag:] - sums[:, :-lag] if sums.shape[1] > lag else np.zeros((len(chosen), 0))
    mask = np.isfinite(changes)
    counts = mask.sum(1, keepdims=True)
    filled = np.where(mask, changes, 0.0)
    centred = np.where(mask, filled - filled.sum(1, keepdims=True) / np.maximum(counts, 1), 0.0)
    spread = np.sqrt((centred**2).sum(1, keepdims=True) / np.maximum(counts, 1))
    is_usable = (counts >= _MIN_CHANGES) & (spread > 0)
    return np.where(is_usable, centred / np.where(spread > 0, spread, 1.0), 0.0), (mask & is_usable).astype(float)


def mean_correlation(changes: Float[np.ndarray, "n t"], mask: Float[np.ndarray, "n t"]) -> float:
    """Return the mean correlation between two series, from 0 to 0.99; 0 where no two of them are known together."""
    products = changes.sum(0) ** 2 - (changes**2).sum(0)
    pairs = mask.sum(0) ** 2 - mask.sum(0)
    return float(np.clip(products.sum() / pairs.sum(), 0.0, 0.99)) if pairs.sum() > 0 else 0.0
