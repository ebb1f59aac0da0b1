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
from throughtime.tasks.forecasting.evaluation.metrics import naive_error
from throughtime.tasks.forecasting.network.likelihoods import TargetUnits
from throughtime.tasks.forecasting.network.linear_effects import LinearEffects, design
from throughtime.tasks.forecasting.plan import is_long_series
from throughtime.tasks.forecasting.series_transforms import effect_by_step, observed_values, standardize, transform

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jaxtyping import Bool, Float, Int
    from torch import Tensor

    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting.plan import Plan


MIN_ERROR = 1e-5  # in units of a series: smaller naive errors and ranges count as those of a constant
_MAX_SHORT_SHARE = 0.25  # draws of all short series, relative to those of the long ones
_MIN_REPEATED = 0.1  # share of steps without a change that is assumed at least
_MAX_CHANCE = 1e-3  # probability of so many steps without a change
_PHASE_ORIGINS = {"M": np.array("1970-01-05", "M8[us]"), "i": np.array(0)}  # by the kind of time stamps


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
        has_negative: series with negative values: (n,).
        effect: linear effect at each position of the store.
        structural_zeros: positions that are always zero.
        z: transformed values at each position.
        covariates: standardized covariates at each position: (total, C).
    """

    def __init__(self, panel: Panel, plan: Plan, effects: LinearEffects | None = None) -> None:
        self.plan = plan
        self.lengths = torch.from_numpy(panel.lengths)
        self.is_long = torch.from_numpy(is_long_series(panel, plan.lookback + plan.horizon))
        pad = plan.lookback + plan.horizon  # before and after every series, so windows may extend beyond it
        self.starts = torch.from_numpy(panel.offsets[:-1] + pad * np.arange(1, 2 * len(panel), 2))
        total = int(panel.offsets[-1]) + 2 * pad * len(panel)
        self._channels = torch.zeros(3, total)  # transformed values, their mask, and values in units
        z, (z_channel, mask, values) = np.zeros(total), self._channels.numpy()
        self.positive = torch.zeros(len(panel), dtype=torch.float64)
        self.unit = torch.ones(len(panel), dtype=torch.float64)
        self.naive_error = torch.ones(len(panel), dtype=torch.float64)
        self.effect = torch.zeros(total, dtype=torch.float64)
        self.structural_zeros = torch.zeros(total, dtype=torch.bool)
        self.has_negative = torch.zeros(len(panel), dtype=torch.bool)
        for i, series in enumerate(panel):
            first = int(self.starts[i])
            zeros, observed = observed_values(panel, i, plan)
            self.structural_zeros[first : first + len(zeros)] = torch.from_numpy(zeros)
            span = slice(first, first + len(series))
            if not observed.any():
                continue
            self.has_negative[i] = bool(series[observed].min() < 0)
            transformed, unit, positive = transform(series, observed, plan.season)
            self.positive[i], self.unit[i] = positive, unit
            scaled = np.where(observed, series / unit, 0.0)
            if effects is not None:
                effect = effect_by_step(panel, i, plan, effects, np.where(observed, transformed, np.nan))
                self.effect[first : first + len(effect)] = torch.from_numpy(effect)
                effect = effect[: len(series)]
                transformed = transformed - effect
                scaled = scaled * np.exp(-effect) if positive else np.where(observed, scaled - effect, 0.0)
            z[span], mask[span], values[span] = transformed, observed, scaled
            z[first - pad : first] = transformed[0]
            z[first + len(series) : first + len(series) + pad] = transformed[-1]
            error = naive_error(series, plan.season) or naive_error(series, 1) or 0.01 * unit
            self.naive_error[i] = max(error, MIN_ERROR * unit)
        z_channel[:] = z
        self.z = torch.from_numpy(z)
        self._observed_before = torch.cat([torch.zeros(1), self._channels[1]]).cumsum(0, dtype=torch.int64)
        self._changes = torch.from_numpy(np.abs(np.diff(z, prepend=z[0])) > MIN_ERROR).cumsum(0)
        origin = _PHASE_ORIGINS[panel.starts.dtype.kind]
        self._phases = torch.from_numpy(panel.frequency.steps(origin, panel.starts))
        self.covariates = self._covariates(panel, pad, total)

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

    def effect_ahead(self, series: Int[Tensor, "N"], ends: Int[Tensor, "N"]) -> Float[Tensor, "N F"]:
        """Return the linear effects at the steps after `ends`, in transformed values."""
        return self.effect[self._ahead(series, ends)]

    def structural_zeros_ahead(self, series: Int[Tensor, "N"], ends: Int[Tensor, "N"]) -> Bool[Tensor, "N F"]:
        """Return which of the steps after `ends` are at positions of a season that are always zero."""
        return self.structural_zeros[self._ahead(series, ends)]

    def _ahead(self, series: Int[Tensor, "N"], ends: Int[Tensor, "N"]) -> Int[Tensor, "N F"]:
        return (self.starts[series] + ends).unsqueeze(1) + torch.arange(self.plan.horizon)

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

    def units(self, series: Int[Tensor, "N"], dimensions: int) -> TargetUnits:
        """Return the units of some series, shaped (N, 1, …) for tensors of `dimensions` dimensions."""
        shape = (-1, *(1,) * (dimensions - 1))
        return TargetUnits(self.unit[series].reshape(shape), self.positive[series].reshape(shape) > 0)

    def _covariates(self, panel: Panel, pad: int, total: int) -> Float[Tensor, "total C"]:
        """Return standardized covariates at the positions of `z`; (0, 0) without any."""
        features = panel.exogenous.all_features
        if not features:
            return torch.zeros(0, 0)
        covariates = np.zeros((total, len(features)), dtype=np.float32)
        for i, series in enumerate(panel):
            columns = panel.covariates_at(i, len(series) + self.plan.horizon)
            for c, feature in enumerate(features):
                if feature.role == "static" and not feature.categories:
                    columns[:, c] = (columns[:, c] - feature.mean) / feature.scale
                elif not feature.categories and not feature.flag:
                    columns[:, c] = standardize(columns[:, c], len(series))
            first = int(self.starts[i])
            edges = ((pad, pad - self.plan.horizon), (0, 0))
            covariates[first - pad : first + len(series) + pad] = np.pad(np.nan_to_num(columns), edges, mode="edge")
        return torch.from_numpy(covariates)


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
