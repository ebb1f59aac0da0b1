"""Sizes that are decided from the data before training: seasons, length of a recurrent step, lookback."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from throughtime.data.series.seasonality import infer_seasons

if TYPE_CHECKING:
    from jaxtyping import Bool

    from throughtime.data.series.panel import Panel

_MAX_BLOCKS = 33
_MAX_BLOCK = 168
_MAX_REACH = 240  # observed values: a series with a quarter of them is long, whatever the season
_LONG_RATIO = 4  # a series with 1 / 4 of the values of the longest one is not short
_HELD_OUT_HORIZONS = 16  # over all series


@dataclass(frozen=True)
class Plan:
    """Sizes of the forecasting network.

    Attributes:
        horizon: F, steps to forecast.
        season: steps of the main season, 1 if there is none.
        long_season: steps of a longer season on top of it, 0 if there is none.
        block: steps of a block, the input of one recurrent step: a season, where there is one.
        blocks: recurrent steps.
    """

    horizon: int
    season: int
    long_season: int
    block: int
    blocks: int

    @property
    def lookback(self) -> int:
        """W, steps that a forecast reads."""
        return self.block * self.blocks

    @property
    def min_observed(self) -> int:
        """Observed values that the network needs in a window: two blocks."""
        return 2 * self.block

    @property
    def cycle(self) -> int:
        """Steps of the longest season."""
        return max(self.season, self.long_season)

    @property
    def expert_names(self) -> list[str]:
        """Names of the naive forecasts that the network mixes, in order."""
        names = ["naive", "level", "mean", "drift"]
        names += ["seasonal_naive", "seasonal_mean", "seasonal_drift"] if self.season > 1 else []
        return names + (["long_season", "long_season_mean"] if self.long_season else [])

    @classmethod
    def of(cls, panel: Panel, horizon: int, *, season: int | None = None, lookback: int | None = None) -> Plan:
        """Decide the sizes from the data; `season` and `lookback`, in steps, override what the data suggest."""
        panel = _long_series(panel, horizon)
        detected = infer_seasons(panel) if season is None else (season,) if season > 1 else ()
        detected = tuple(m for m in detected if m <= _MAX_BLOCK)
        main = detected[0] if detected else 1
        long_season = next((m for m in detected[1:] if m % main == 0), 0)
        typical = int(np.median(panel.lengths))
        # More than half of a typical series, for several windows per series, and never all of it.
        max_lookback = max(2, int(0.6 * (typical - horizon)))
        if main > 1:
            block, target = main, _MAX_BLOCKS * main
        else:
            target = min(_MAX_BLOCKS * 8, max(_MAX_BLOCKS, 4 * horizon))
            block = max(1, -(-min(max_lookback, target) // _MAX_BLOCKS))
        steps = min(max_lookback, target) if lookback is None else lookback
        return cls(horizon, main, long_season, block, max(2, min(steps // block, 4 * _MAX_BLOCKS)))

    def held_out(self, panel: Panel) -> int:
        """Return the steps to hold out at the end of every series; 0 where the series are too short.

        One horizon where there are many series; more where there are few, for about 16 horizons in all.
        """
        panel = _long_series(panel, self.horizon)
        typical = int(np.median(panel.lengths))
        target = self.horizon * max(1, -(-_HELD_OUT_HORIZONS // len(panel)))
        allowed = min(target, typical // 5)
        if allowed >= self.horizon:
            return allowed
        return self.horizon if typical >= 2 * self.horizon + 2 * self.block else 0


def is_long_series(panel: Panel, reach: int) -> Bool[np.ndarray, "n"]:
    """Return which series are long; the other ones do not affect decisions about the panel.

    A long series has at least a quarter of the observed values of the longest one; more than `reach` values count as
    `reach`.
    """
    counts = np.minimum([np.isfinite(values).sum() for values in panel], reach)
    return _LONG_RATIO * counts >= counts.max()


def _long_series(panel: Panel, horizon: int) -> Panel:
    """Return the panel without its short series."""
    season = next(iter(panel.frequency.seasons), 1)
    long = is_long_series(panel, horizon + max(min(_MAX_BLOCKS * season, _MAX_REACH), 4 * horizon))
    return panel if long.all() else panel.select(np.flatnonzero(long).tolist())
