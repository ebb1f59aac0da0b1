"""Windows of a panel as tensors: one contiguous store, cut without a Python step per window.

The network reads transformed values: logarithms where a series is positive, multiples of its typical size where it is
not. `WindowStore` holds both and converts back. Covariates are standardized within their series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from throughtime._core import rng
from throughtime.data.batches import Batch
from throughtime.inference.forecasting.error_distributions import Units
from throughtime.inference.forecasting.linear_effects import LinearEffects, design
from throughtime.inference.forecasting.plan import is_long_series
from throughtime.inference.forecasting.prepared_series import MIN_ERROR, PreparedSeries
from throughtime.inference.forecasting.series_transforms import observed_values, transform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jaxtyping import Bool, Float, Int
    from torch import Tensor

    from throughtime.data.series.panel import Panel
    from throughtime.inference.forecasting.plan import Plan


_MAX_SHORT_SHARE = 0.25  # draws of all short series, relative to those of the long ones
_MIN_REPEATED = 0.1  # share of steps without a change that is assumed at least
_MAX_CHANCE = 1e-3  # probability of so many steps without a change


class WindowStore:
    """A panel prepared for a plan.

    Args:
        panel: of the series.
        plan: sizes.
        effects: of covariates known in advance, removed from the transformed values.

    Attributes:
        lengths: steps of each series: (n,).
        is_long: series that are not short: (n,).
        starts: position of the first step of each series in the store: (n,).
        positive: 1 for series with positive values only: (n,).
        unit: typical size of each series: (n,).
        naive_error: the denominator of MASE: (n,).
        z: transformed values at each position.
        covariates: standardized covariates at each position: (total, C).
    """

    def __init__(self, panel: Panel, plan: Plan, effects: LinearEffects | None = None) -> None:
        self.plan = plan
        prepared = PreparedSeries(panel, plan, effects)
        self.lengths = torch.from_numpy(prepared.lengths)
        self.is_long = torch.from_numpy(is_long_series(panel, plan.lookback + plan.horizon))
        self.starts = torch.from_numpy(prepared.starts)
        self._channels = torch.from_numpy(prepared.channels)
        self.positive = torch.from_numpy(prepared.is_positive).double()
        self.unit = torch.from_numpy(prepared.unit)
        self.naive_error = torch.from_numpy(prepared.naive_error)
        self.z = torch.from_numpy(prepared.z)
        self._observed_before = torch.cat([torch.zeros(1), self._channels[1]]).cumsum(0, dtype=torch.int64)
        self._changes = torch.from_numpy(np.abs(np.diff(prepared.z, prepend=prepared.z[0])) > MIN_ERROR).cumsum(0)
        self._phases = torch.from_numpy(prepared.phases)
        self.covariates = torch.from_numpy(prepared.covariates)

    def inputs(self, series: Int[Tensor, "N"], ends: Int[Tensor, "N"]) -> Float[Tensor, "N L D"]:
        """Return the inputs of forecasts from step `ends` of each series: (N, W, 2), or (N, W+F, 2+C) with covariates.

        The first two channels are the values and their mask, both 0 after the end.
        """
        plan = self.plan
        x = self._cut(self._channels[:2], series, ends - plan.lookback, plan.lookback).movedim(0, -1)
        if not self.covariates.shape[1]:
            return x
        x = torch.nn.functional.pad(x, (0, 0, 0, plan.horizon))
        steps = torch.arange(-plan.lookback, plan.horizon)
        return torch.cat([x, self.covariates[(self.starts[series] + ends).unsqueeze(1) + steps]], -1)

    def future_values(
        self, series: Int[Tensor, "N"], ends: Int[Tensor, "N"], origins: Int[Tensor, "K"] | None = None
    ) -> tuple[Float[Tensor, "N ... F"], Bool[Tensor, "N ... F"]]:
        """Return the transformed values after `ends` and where they are observed: (N, F) each.

        With origins in the windows that end there, return the values after each origin: (N, K, F).
        """
        at = (self.starts[series] + ends).unsqueeze(1)
        at = at if origins is None else (at - self.plan.lookback + origins).unsqueeze(-1)
        at = at + torch.arange(self.plan.horizon)
        return self.z[at], self._channels[1, at] > 0

    def count_observed(self, series: Int[Tensor, "N"], ends: Int[Tensor, "N"]) -> Int[Tensor, "N"]:
        """Return the number of observed values in the windows with these ends."""
        at = self.starts[series] + ends
        return self._observed_before[at] - self._observed_before[at - self.plan.lookback]

    def varies(self, series: Int[Tensor, "N"], ends: Int[Tensor, "N"]) -> Bool[Tensor, "N"]:
        """Return whether values change in the windows with these ends."""
        at = self.starts[series] + ends
        return self._changes[at - 1] > self._changes[at - self.plan.lookback]

    def is_constant_at_end(self) -> Bool[Tensor, "n"]:
        """Return which series changed before and have not changed for longer than chance explains, two blocks or more.

        A shop that is closed for good is such a series, a part that is sold once a month is none.
        """
        last = self.starts + self.lengths - 1
        positions = torch.nonzero(self._changes.diff(prepend=self._changes[:1])).flatten()
        last_change = torch.cat([torch.tensor([-1]), positions])[torch.searchsorted(positions, last, right=True)]
        unchanged = last - last_change
        changes = self._changes[last] - self._changes[self.starts]
        earlier_steps = (self.lengths - 1 - unchanged).clamp(min=1)
        repeated = (1 - changes / earlier_steps).clamp(min=_MIN_REPEATED)
        too_long = (unchanged >= self.plan.min_observed) & (repeated.double() ** unchanged < _MAX_CHANCE)
        return too_long & (changes > 0)

    def phases(self, series: Int[Tensor, "N"], ends: Int[Tensor, "N"]) -> Int[Tensor, "N"]:
        """Return the position of the step after `ends` in the longest season, equal for equal dates."""
        return (self._phases[series] + ends) % self.plan.cycle

    def min_history(self, lengths: Int[Tensor, "N"]) -> Int[Tensor, "N"]:
        """Return the steps before the first window end in training: a window, or half of a series that is short."""
        return torch.minimum(lengths // 2, torch.tensor(self.plan.lookback)).clamp(min=2 * self.plan.block)

    def held_out(self, held_out: int, max_windows: int) -> Batch | None:
        """Return a batch of windows that end `held_out` steps before the end of their series, with their targets."""
        series = torch.arange(len(self.lengths))[self.lengths > held_out + 2 * self.plan.block]
        if not len(series) or not held_out:
            return None
        series = series[torch.linspace(0, len(series) - 1, min(max_windows, len(series))).long()]
        ends = self.lengths[series] - held_out
        return Batch(self.inputs(series, ends), self.targets(series, ends, last_only=True))

    def targets(
        self, series: Int[Tensor, "N"], ends: Int[Tensor, "N"], *, last_only: bool = False
    ) -> Float[Tensor, "N K F 5"]:
        """Return the targets of each origin in the windows with these ends, or with `last_only` of the end alone.

        The five channels are value, weight, 1 / naive error, positive and unit; in units.
        """
        plan = self.plan
        steps_back = 0 if last_only else plan.lookback - 2 * plan.block  # from the end to the first origin
        channels = self._cut(self._channels[1:], series, ends - steps_back, steps_back + plan.horizon)
        mask, value = channels.unfold(-1, plan.horizon, plan.block)
        unit = self.unit[series]
        constants = torch.stack([unit / self.naive_error[series], self.positive[series], unit]).float()
        # Channel by channel in memory: losses read them so.
        return torch.stack([value, mask, *constants[..., None, None].expand(-1, *value.shape)]).movedim(0, -1)

    def _cut(
        self, channels: Float[Tensor, "C total"], series: Int[Tensor, "N"], first: Int[Tensor, "N"], steps: int
    ) -> Float[Tensor, "C N {steps}"]:
        """Return `steps` steps of channels from step `first` of each series."""
        return channels.unfold(1, steps, 1)[:, self.starts[series] + first]

    def units(self, series: Int[Tensor, "N"], dimensions: int) -> Units:
        """Return the units of some series, shaped (N, 1, …) for arrays of `dimensions` dimensions."""
        shape = (-1, *(1,) * (dimensions - 1))
        return Units(self.unit[series].reshape(shape).numpy(), self.positive[series].reshape(shape).numpy() > 0)


def linear_effects(panel: Panel, plan: Plan) -> LinearEffects:
    """Estimate the linear effects of covariates known in advance on the transformed values of the long series."""
    features, series = panel.exogenous.all_features, []
    for i in np.flatnonzero(is_long_series(panel, plan.lookback + plan.horizon)).tolist():
        values = panel[i]
        _, observed = observed_values(panel, i, plan)
        if observed.any():
            z = np.where(observed, transform(values, observed, plan.season)[0], np.nan)
            series.append((z, design(panel.covariates_at(i, len(values)), features)))
    return LinearEffects.fit(series, plan.season, features)


class WindowSampler:
    """Random windows of a store, as batches for the training loop: any series, any phase.

    The probability of a long series is proportional to its length, within a factor of ten. All short series together
    are a fifth of the draws at most; those that the network cannot read are not drawn.
    """

    def __init__(self, store: WindowStore, *, batches: int, batch_size: int) -> None:
        self._store = store
        self._batches = batches
        self._batch_size = batch_size
        lengths = store.lengths.double().clamp(min=1)
        typical = float(lengths[store.is_long].median())
        weights = lengths.clamp(max=typical * 3, min=typical / 3)
        observed = store.count_observed(torch.arange(len(lengths)), store.lengths).double()
        short = torch.where(observed < store.plan.min_observed, 0.0, observed) * ~store.is_long
        share = min(1.0, _MAX_SHORT_SHARE * float(weights[store.is_long].sum()) / max(float(short.sum()), 1.0))
        self._weights = torch.where(store.is_long, weights, short * share)

    def __iter__(self) -> Iterator[Batch]:
        for series, ends in self.sample_positions():
            yield Batch(self._store.inputs(series, ends), self._store.targets(series, ends))

    def sample_positions(self) -> Iterator[tuple[Int[Tensor, "N"], Int[Tensor, "N"]]]:
        """Draw the series and ends of the windows of each batch."""
        for _ in range(self._batches):
            series = torch.multinomial(self._weights, self._batch_size, replacement=True, generator=rng.generator())
            lengths = self._store.lengths[series]
            first = self._store.min_history(lengths)
            uniform = torch.rand(len(series), generator=rng.generator())
            yield series, first + (uniform * (lengths - first).clamp(min=1)).long()
