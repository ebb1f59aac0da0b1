"""Which seasons a panel has.

The calendar's season (a day of hours, a year of months) is taken wherever series are long enough: a recurrent step of
that length forecast better even where no season is to be seen (measured on sunspots by month and on M3). Longer ones,
such as a week of hours, must show in the data. Where the calendar suggests none, a cycle is sought.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from throughtime.data.series.panel import Panel

_SAMPLE = 60  # series looked at
_STEPS = 4000  # of each, the latest
_ENOUGH = 2.5  # seasons that a series must have seen
_LONGEST_FOUND = 60  # a season that no calendar suggests is sought up to here


def seasons(panel: Panel) -> tuple[int, ...]:
    """Lengths of the seasons, in steps, the shortest first; empty where there is none."""
    chosen = np.linspace(0, len(panel) - 1, min(len(panel), _SAMPLE)).astype(int)
    sample = [_filled(panel[i][-_STEPS:]) for i in np.unique(chosen)]
    usual = tuple(m for m in panel.frequency.seasons if np.median([len(x) for x in sample]) >= _ENOUGH * m)
    if not panel.frequency.seasons:
        return _cycle(sample)
    return usual[:1] + tuple(m for m in usual[1:] if _shows(sample, m))


def _shows(sample: list[np.ndarray], m: int) -> bool:
    """Whether most series that are long enough repeat after m steps more than chance and slow drift explain."""
    long_enough = [x for x in sample if len(x) >= 3 * m]
    if not long_enough:
        return False
    return float(np.median([_correlation(np.diff(x), m) for x in long_enough])) > 0.2


def _cycle(sample: list[np.ndarray]) -> tuple[int, ...]:
    """The first peak of the autocorrelation of a cycle, from 3 steps on."""
    longest = min(_LONGEST_FOUND, min(len(x) for x in sample) // 4)
    if longest < 4:
        return ()
    r = np.median([[_correlation(_detrended(x), m) for m in range(longest + 2)] for x in sample], axis=0)
    valley = int(r[: longest + 1].argmin())
    peak = valley + int(r[valley : longest + 1].argmax())
    return (peak,) if peak >= 3 and r[peak] > 0.3 and valley < peak <= longest and r[peak] > r[peak + 1] else ()


def _correlation(x: np.ndarray, lag: int) -> float:
    centred = x - x.mean()
    total = float(centred @ centred)
    return float(centred[lag:] @ centred[: len(x) - lag]) / total if total > 0 and lag < len(x) else 0.0


def _detrended(x: np.ndarray) -> np.ndarray:
    t = np.arange(len(x))
    return x - np.polyval(np.polyfit(t, x, 1), t) if len(x) > 2 else x


def _filled(x: np.ndarray) -> np.ndarray:
    """Missing values interpolated: good enough for correlations."""
    known = np.flatnonzero(~np.isnan(x))
    return np.interp(np.arange(len(x)), known, x[known]) if len(known) else np.zeros(1)
