"""Statistics of the long series of a panel for forecasts of short series: season, scale, interval width by length.

A short series has less than two blocks of observed values, too few for the network. Its forecast is its own level plus
the mean season of the others, as far as the others agree on one. The scale of a series with few observed values is
averaged with the pooled scale. Its intervals are wider by the ratio that held-out forecasts of long series show when
all but their last values are withheld.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from throughtime.inference.forecasting.pooled import PooledStatistics

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

    from throughtime.tasks.forecasting.windows import WindowStore

_MAX_SERIES = 200  # for the mean season
_SINGLE_SERIES_SHARE = 0.5  # of the season of a single long series that others are assumed to have


def pool_statistics(store: WindowStore, scales: Float[Tensor, "N"], series: Int[Tensor, "N"]) -> PooledStatistics:
    """Return the mean season and the typical scale of the long series, from the scales of windows of some series."""
    typical = [_median(scales[store.positive[series] == kind], scales) for kind in (0, 1)]
    return PooledStatistics(_profiles(store), np.array(typical), np.ones(1), np.zeros(0), np.zeros(0))


def _median(values: Float[Tensor, "M"], fallback: Float[Tensor, "N"]) -> float:
    return float((values if len(values) else fallback).median()) if len(fallback) else 1.0


def _profiles(store: WindowStore) -> Float[np.ndarray, "2 cycle"]:
    """Return the mean season of other and positive series, multiplied by the share on which series agree."""
    cycle = store.plan.cycle
    profiles = np.zeros((2, cycle))
    if cycle == 1:
        return profiles
    for kind in (0, 1):
        indices = torch.nonzero(store.is_long & (store.positive == kind)).flatten()
        indices = indices[torch.linspace(0, len(indices) - 1, min(len(indices), _MAX_SERIES)).long()]
        seasons = np.array([season for i in indices if (season := _season(store, int(i))) is not None])
        if len(seasons):
            profiles[kind] = seasons.mean(0) * _agreement(seasons)
    return profiles


def _season(store: WindowStore, i: int) -> Float[np.ndarray, "cycle"] | None:
    """Return the median deviation of a series from the mean of each cycle, by phase; None without a whole cycle."""
    cycle, first, length = store.plan.cycle, int(store.starts[i]), int(store.lengths[i])
    cycles = length // cycle
    if not cycles:
        return None
    z = store.z[first + length - cycles * cycle : first + length].numpy().reshape(cycles, cycle)
    season = np.median(z - z.mean(1, keepdims=True), axis=0)
    phase = int(store.phases(torch.tensor([i]), store.lengths[[i]])[0])  # of the first step after the end
    return np.roll(season - season.mean(), phase)


def _agreement(seasons: Float[np.ndarray, "n cycle"]) -> float:
    """Return the share of the mean of the other series that best predicts a series, 0 … 1."""
    if len(seasons) == 1:
        return _SINGLE_SERIES_SHARE
    others = (seasons.sum(0) - seasons) / (len(seasons) - 1)
    return float(np.clip((seasons * others).sum() / max((others**2).sum(), 1e-12), 0, 1))
