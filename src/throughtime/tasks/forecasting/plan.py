"""What is decided from the data before training: seasons, the length of a recurrent step, how far back to look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from throughtime.data.series.seasonality import seasons

if TYPE_CHECKING:
    from throughtime.data.series.panel import Panel

_MOST_BLOCKS = 33
_LONGEST_BLOCK = 168
_MUCH = 240  # known values, a quarter of which is no short series whatever the season
_LONG = 4  # a series of 1 / 4 of the longest's values is not short


@dataclass(frozen=True)
class Plan:
    """Sizes of the forecasting network.

    Attributes:
        horizon: F, steps to forecast.
        season: steps of the main season, 1 if there is none.
        long_season: steps of a longer one on top of it, 0 if there is none.
        block: steps that one recurrent step takes in: a season, where there is one.
        blocks: recurrent steps.
    """

    horizon: int
    season: int
    long_season: int
    block: int
    blocks: int

    @property
    def lookback(self) -> int:
        """Steps that a forecast reads."""
        return self.block * self.blocks

    @property
    def min_known(self) -> int:
        """Known values that the network needs in a window: two of its steps."""
        return 2 * self.block

    @property
    def cycle(self) -> int:
        """Steps of the longest season."""
        return max(self.season, self.long_season)

    @classmethod
    def of(cls, panel: Panel, horizon: int, *, season: int | None = None, lookback: int | None = None) -> Plan:
        """Decide from the data; `season` and `lookback` (steps) are what a user said."""
        panel = _long_series(panel, horizon)
        found = seasons(panel) if season is None else (season,) if season > 1 else ()
        found = tuple(m for m in found if m <= _LONGEST_BLOCK)
        main = found[0] if found else 1
        long_season = next((m for m in found[1:] if m % main == 0), 0)
        typical = int(np.median(panel.lengths))
        # More than half of a typical series, so that there are several windows to learn from, and never all of it.
        room = max(2, int(0.6 * (typical - horizon)))
        if main > 1:
            block, wanted = main, _MOST_BLOCKS * main
        else:
            wanted = min(_MOST_BLOCKS * 8, max(_MOST_BLOCKS, 4 * horizon))
            block = max(1, -(-min(room, wanted) // _MOST_BLOCKS))
        steps = min(room, wanted) if lookback is None else lookback
        return cls(horizon, main, long_season, block, max(2, min(steps // block, 4 * _MOST_BLOCKS)))

    def held_out(self, panel: Panel) -> int:
        """Steps at the end of every series that are kept from the network to judge it by; 0 where data are too short.

        A horizon where there are many series; more where there are few, so that there are some 16 horizons in all.
        """
        panel = _long_series(panel, self.horizon)
        typical = int(np.median(panel.lengths))
        wanted = self.horizon * max(1, -(-16 // len(panel)))
        allowed = min(wanted, typical // 5)
        if allowed >= self.horizon:
            return allowed
        return self.horizon if typical >= 2 * self.horizon + 2 * self.block else 0


def is_long_series(panel: Panel, reach: int) -> np.ndarray:
    """Return which series are long: those that are not decide nothing about the others.

    A long series has a quarter of the known values of the longest one or more, where more than `reach` count as that.
    """
    counts = np.minimum([np.isfinite(values).sum() for values in panel], reach)
    return _LONG * counts >= counts.max()


def _long_series(panel: Panel, horizon: int) -> Panel:
    """Return the panel without its short series."""
    season = next(iter(panel.frequency.seasons), 1)
    long = is_long_series(panel, horizon + max(min(_MOST_BLOCKS * season, _MUCH), 4 * horizon))
    return panel if long.all() else panel.select(np.flatnonzero(long).tolist())
