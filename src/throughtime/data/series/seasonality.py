"""Infer the seasons of a panel.

The shortest season of the calendar (a day of hours, a year of months) is used if the series are long enough: a
recurrent step of that length forecasts better even if no season is visible (measured on monthly sunspots and on M3).
Longer ones, such as a week of hours, must be visible in the data. If the calendar suggests none, a cycle is searched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float

    from throughtime.data.series.panel import Panel

_MAX_SERIES = 60  # in the sample
_MAX_STEPS = 4000  # of each series, the latest
_MIN_SEASONS = 2.5  # that a series must contain
_MAX_CYCLE = 60  # steps of a season that no calendar suggests


def infer_seasons(panel: Panel) -> tuple[int, ...]:
    """Infer the season lengths in steps, the shortest first; empty if there is none."""
    sampled = np.linspace(0, len(panel) - 1, min(len(panel), _MAX_SERIES)).astype(int)
    sample = [_interpolate(panel[i][-_MAX_STEPS:]) for i in np.unique(sampled)]
    usual = tuple(m for m in panel.frequency.seasons if np.median([len(x) for x in sample]) >= _MIN_SEASONS * m)
    if not panel.frequency.seasons:
        return _find_cycle(sample)
    return usual[:1] + tuple(m for m in usual[1:] if _is_visible(sample, m))


def _is_visible(sample: list[Float[np.ndarray, "_"]], m: int) -> bool:
    """Return whether most of the long series repeat after m steps more than chance and slow drift explain."""
    long_series = [x for x in sample if len(x) >= 3 * m]
    if not long_series:
        return False
    return float(np.median([_correlation(np.diff(x), m) for x in long_series])) > 0.2


def _find_cycle(sample: list[Float[np.ndarray, "_"]]) -> tuple[int, ...]:
    """Return the first peak of the autocorrelation from 3 steps on; empty if there is none."""
    max_lag = min(_MAX_CYCLE, min(len(x) for x in sample) // 4)
    if max_lag < 4:
        return ()
    r = np.median([[_correlation(_detrend(x), m) for m in range(max_lag + 2)] for x in sample], axis=0)
    valley = int(r[: max_lag + 1].argmin())
    peak = valley + int(r[valley : max_lag + 1].argmax())
    return (peak,) if peak >= 3 and r[peak] > 0.3 and valley < peak <= max_lag and r[peak] > r[peak + 1] else ()


def _correlation(x: Float[np.ndarray, "T"], lag: int) -> float:
    centred = x - x.mean()
    variance = float(centred @ centred)
    return float(centred[lag:] @ centred[: len(x) - lag]) / variance if variance > 0 and lag < len(x) else 0.0


def _detrend(x: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    t = np.arange(len(x))
    return x - np.polyval(np.polyfit(t, x, 1), t) if len(x) > 2 else x


def _interpolate(x: Float[np.ndarray, "T"]) -> Float[np.ndarray, "T"]:
    """Interpolate missing values, which is accurate enough for correlations."""
    observed = np.flatnonzero(~np.isnan(x))
    return np.interp(np.arange(len(x)), observed, x[observed]) if len(observed) else np.zeros(1)
