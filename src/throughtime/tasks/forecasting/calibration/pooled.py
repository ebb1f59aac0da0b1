"""Statistics of the long series of a panel from which short series are forecast: season, scale, and width by length.

A short series has less than two blocks of known values, too few for the network. Its forecast is its own level plus the
mean season of the others, as far as the others agree on one. The scale of a series with few known values is averaged
with the usual one, and its intervals are wider by the ratio that forecasts of long series show if all but their last
values are withheld.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime.tasks.forecasting.plan import Plan
    from throughtime.tasks.forecasting.windows import WindowStore

_MOST_SERIES = 200  # that a mean season is taken from
_ONE_DONOR = 0.5  # share of the season of a single long series that others are assumed to have


@dataclass(frozen=True)
class PooledStatistics:
    """What series have in common, separately for series that are not positive and for those that are.

    Attributes:
        profile: deviations from the level by position in the longest season, as the network sees values: (2, cycle).
        scales: the usual scale: (2,).
        fading: weight of a value relative to the next one in the level of a short series: (1,).
        counts: numbers of known values, ascending: (K,).
        widening: factor of the intervals of windows with so many known values: (K,).
    """

    profile: np.ndarray
    scales: np.ndarray
    fading: np.ndarray
    counts: np.ndarray
    widening: np.ndarray

    def interval_factors(self, known: Tensor) -> Tensor:
        """Return the factor of the intervals for numbers of known values: (N, 1)."""
        if not len(self.counts):
            return torch.ones(len(known), 1, dtype=torch.float64)
        at = np.interp(known.clamp(min=1).log().numpy(), np.log(self.counts), self.widening)
        return torch.from_numpy(at).unsqueeze(1)

    def forecast(
        self, plan: Plan, window: tuple[Tensor, ...], phases: Tensor, positive: Tensor, fading: float | None = None
    ) -> Tensor:
        """Return forecasts of short series, of whose windows values and masks (N, W) are given: (N, F)."""
        past, ahead = self._seasons(plan, phases, positive)
        return own_level(window[0], window[1], past, float(self.fading[0]) if fading is None else fading) + ahead

    def _seasons(self, plan: Plan, phases: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
        """Return the profile at the steps of windows, (N, W), and at those of their forecasts, (N, F)."""
        profile = torch.from_numpy(self.profile)[positive.long()]
        steps = torch.arange(-plan.lookback, plan.horizon)
        found = profile.gather(1, (phases.unsqueeze(1) + steps) % plan.cycle)
        return found[:, : plan.lookback], found[:, plan.lookback :]


def pool_statistics(store: WindowStore, scales: Tensor, series: Tensor) -> PooledStatistics:
    """Return the common profile and scale of the long series, of which `scales` (N,) are known at windows of series."""
    usual = [_median(scales[store.positive[series] == kind], scales) for kind in (0, 1)]
    return PooledStatistics(_profiles(store), np.array(usual), np.ones(1), np.zeros(0), np.zeros(0))


def own_level(z: Tensor, real: Tensor, season: Tensor, fading: float) -> Tensor:
    """Return the mean of known values less the season, (N, W), weighted by fading^age; the last if none is known."""
    ages = (real.sum(1, keepdim=True) - real.cumsum(1)).clamp(min=0)
    weights = real * fading**ages
    level = ((z - season) * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp(min=1e-9)
    return torch.where(real.any(1, keepdim=True), level, (z - season)[:, -1:])


def _median(part: Tensor, whole: Tensor) -> float:
    return float((part if len(part) else whole).median()) if len(whole) else 1.0


def _profiles(store: WindowStore) -> np.ndarray:
    """Return the mean season of positive series and others, multiplied by the share on which series agree."""
    cycle = store.plan.cycle
    found = np.zeros((2, cycle))
    if cycle == 1:
        return found
    for kind in (0, 1):
        chosen = torch.nonzero(store.long & (store.positive == kind)).flatten()
        chosen = chosen[torch.linspace(0, len(chosen) - 1, min(len(chosen), _MOST_SERIES)).long()]
        own = np.array([season for i in chosen if (season := _season(store, int(i))) is not None])
        if len(own):
            found[kind] = own.mean(0) * _agreement(own)
    return found


def _season(store: WindowStore, i: int) -> np.ndarray | None:
    """Return the mean deviation of a series from the mean of each cycle, by position; None without a full cycle."""
    cycle, first, length = store.plan.cycle, int(store.starts[i]), int(store.lengths[i])
    cycles = length // cycle
    if not cycles:
        return None
    z = store.z[first + length - cycles * cycle : first + length].numpy().reshape(cycles, cycle)
    season = np.median(z - z.mean(1, keepdims=True), axis=0)
    phase = int(store.phases(torch.tensor([i]), store.lengths[[i]])[0])  # of the first step after the end
    return np.roll(season - season.mean(), phase)


def _agreement(own: np.ndarray) -> float:
    """Return the share of the mean of the other series that best predicts a series, 0 … 1."""
    if len(own) == 1:
        return _ONE_DONOR
    others = (own.sum(0) - own) / (len(own) - 1)
    return float(np.clip((own * others).sum() / max((others**2).sum(), 1e-12), 0, 1))
