"""Windows of a panel as tensors: one contiguous store, cut without a Python step for each window.

The network does not see values but logarithms where a series is positive, and multiples of its typical size where it is
not; `WindowStore` holds both, and undoes it. Covariates are seen in units of how much they change within their series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from throughtime._core import rng
from throughtime.data.batches import Batch
from throughtime.data.series.structural_zeros import find_structural_zeros
from throughtime.tasks.forecasting.evaluation.metrics import naive_error
from throughtime.tasks.forecasting.network.likelihoods import TargetUnits
from throughtime.tasks.forecasting.network.linear_effects import LinearEffects, design
from throughtime.tasks.forecasting.plan import is_long_series

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting.plan import Plan


MIN_ERROR = 1e-5  # of a series' unit: smaller naive errors and ranges are those of a constant
_SHORT = 0.25  # of the draws of long series: as often all short ones together are drawn at most


class WindowStore:
    """A panel prepared for a plan.

    Args:
        panel: of the series.
        plan: sizes.
        effects: of what is known in advance, which are removed from what the network sees.
    """

    def __init__(self, panel: Panel, plan: Plan, effects: LinearEffects | None = None) -> None:
        self.plan = plan
        self.lengths = torch.from_numpy(panel.lengths)
        self.long = torch.from_numpy(is_long_series(panel, plan.lookback + plan.horizon))
        pad = plan.lookback + plan.horizon  # before and after every series, so that windows may hang over
        self.starts = torch.from_numpy(panel.offsets[:-1] + pad * np.arange(1, 2 * len(panel), 2))
        total = int(panel.offsets[-1]) + 2 * pad * len(panel)
        self._course = torch.zeros(3, total)  # z, whether it is real, and values in units
        z, (seen, real, values) = np.zeros(total), self._course.numpy()
        self.positive = torch.zeros(len(panel), dtype=torch.float64)
        self.unit = torch.ones(len(panel), dtype=torch.float64)
        self.naive_error = torch.ones(len(panel), dtype=torch.float64)
        self.effect = torch.zeros(total, dtype=torch.float64)
        self.closed = torch.zeros(total, dtype=torch.bool)
        self.signed = torch.zeros(len(panel), dtype=torch.bool)  # has negative values
        for i, series in enumerate(panel):
            first = int(self.starts[i])
            closed, known = _open_values(panel, i, plan)
            self.closed[first : first + len(closed)] = torch.from_numpy(closed)
            part = slice(first, first + len(series))
            if not known.any():
                continue
            self.signed[i] = bool(series[known].min() < 0)
            transformed, unit, positive = _transformed(series, known, plan.season)
            self.positive[i], self.unit[i] = positive, unit
            scaled = np.where(known, series / unit, 0.0)
            if effects is not None:
                effect = _effect(panel, i, plan, effects, np.where(known, transformed, np.nan))
                self.effect[first : first + len(effect)] = torch.from_numpy(effect)
                effect = effect[: len(series)]
                transformed = transformed - effect
                scaled = scaled * np.exp(-effect) if positive else np.where(known, scaled - effect, 0.0)
            z[part], real[part], values[part] = transformed, known, scaled
            z[first - pad : first] = transformed[0]
            z[first + len(series) : first + len(series) + pad] = transformed[-1]
            error = naive_error(series, plan.season) or naive_error(series, 1) or 0.01 * unit
            self.naive_error[i] = max(error, MIN_ERROR * unit)
        seen[:] = z
        self.z = torch.from_numpy(z)
        self._passed = torch.cat([torch.zeros(1), self._course[1]]).cumsum(0, dtype=torch.int64)  # known values
        self._changes = torch.from_numpy(np.abs(np.diff(z, prepend=z[0])) > MIN_ERROR).cumsum(0)
        self._phases = torch.from_numpy(panel.frequency.steps(_EPOCHS[panel.starts.dtype.kind], panel.starts))
        self.covariates = self._covariates(panel, pad, total)

    def inputs(self, series: Tensor, ends: Tensor) -> Tensor:
        """What forecasts from step `ends` of each series read: (N, W, 2), or (N, W+F, 2+C) with C covariates.

        The two are the values and whether they are real, both 0 behind the end.
        """
        plan = self.plan
        x = self._cut(self._course[:2], series, ends - plan.lookback, plan.lookback).movedim(0, -1)
        if not self.covariates.shape[1]:
            return x
        x = torch.nn.functional.pad(x, (0, 0, 0, plan.horizon))
        steps = torch.arange(-plan.lookback, plan.horizon)
        return torch.cat([x, self.covariates[(self.starts[series] + ends).unsqueeze(1) + steps]], -1)

    def future_values(self, series: Tensor, ends: Tensor, origins: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What followed `ends` as the network would see it, and whether it is known: (N, F) each.

        With origins in the windows that end there, what followed each of them: (N, K, F).
        """
        at = (self.starts[series] + ends).unsqueeze(1)
        at = at if origins is None else (at - self.plan.lookback + origins).unsqueeze(-1)
        at = at + torch.arange(self.plan.horizon)
        return self.z[at], self._course[1, at] > 0

    def effect_ahead(self, series: Tensor, ends: Tensor) -> Tensor:
        """Return the effects of what is known of the steps after `ends`, as the network sees values: (N, F)."""
        return self.effect[self._ahead(series, ends)]

    def closed_ahead(self, series: Tensor, ends: Tensor) -> Tensor:
        """Return which of the steps after `ends` are at positions of a season that are always zero: (N, F)."""
        return self.closed[self._ahead(series, ends)]

    def _ahead(self, series: Tensor, ends: Tensor) -> Tensor:
        return (self.starts[series] + ends).unsqueeze(1) + torch.arange(self.plan.horizon)

    def known(self, series: Tensor, ends: Tensor) -> Tensor:
        """Return the number of known values in the windows that end there: (N,)."""
        at = self.starts[series] + ends
        return self._passed[at] - self._passed[at - self.plan.lookback]

    def varies(self, series: Tensor, ends: Tensor) -> Tensor:
        """Return whether values change in the windows that end there: (N,)."""
        at = self.starts[series] + ends
        return self._changes[at - 1] > self._changes[at - self.plan.lookback]

    def phases(self, series: Tensor, ends: Tensor) -> Tensor:
        """Return the position of the step after `ends` in the longest season, equal for equal dates: (N,)."""
        return (self._phases[series] + ends) % self.plan.cycle

    def min_history(self, lengths: Tensor) -> Tensor:
        """Steps before the first end of windows to learn from: a whole window, or half of a series that is short."""
        return torch.minimum(lengths // 2, torch.tensor(self.plan.lookback)).clamp(min=2 * self.plan.block)

    def held_out(self, held_out: int, most: int) -> Batch | None:
        """At most so many windows as a batch, with what follows their ends, a number of steps before the last."""
        series = torch.arange(len(self.lengths))[self.lengths > held_out + 2 * self.plan.block]
        if not len(series) or not held_out:
            return None
        series = series[torch.linspace(0, len(series) - 1, min(most, len(series))).long()]
        ends = self.lengths[series] - held_out
        return Batch(self.inputs(series, ends), self.targets(series, ends, last_only=True))

    def targets(self, series: Tensor, ends: Tensor, *, last_only: bool = False) -> Tensor:
        """What followed each origin in the windows that end there, or with `last_only` the end alone: (N, K, F, 5).

        The five are value, weight, 1 / naive error, positive and unit; in units.
        """
        plan = self.plan
        passed = 0 if last_only else plan.lookback - 2 * plan.block  # steps from the first origin to the end
        covariates_at = self._cut(self._course[1:], series, ends - passed, passed + plan.horizon)
        real, value = covariates_at.unfold(-1, plan.horizon, plan.block)
        unit = self.unit[series]
        constants = torch.stack([unit / self.naive_error[series], self.positive[series], unit]).float()
        # Channel by channel in memory, which is how a loss reads them.
        return torch.stack([value, real, *constants[..., None, None].expand(-1, *value.shape)]).movedim(0, -1)

    def _cut(self, covariates_at: Tensor, series: Tensor, first: Tensor, steps: int) -> Tensor:
        """So many steps of channels (C, total), from step `first` of each series on: (C, N, steps)."""
        return covariates_at.unfold(1, steps, 1)[:, self.starts[series] + first]

    def units(self, series: Tensor, dimensions: int) -> TargetUnits:
        """How to get from what the network sees of some series to their values; (N, 1, …) of so many dimensions."""
        shape = (-1, *(1,) * (dimensions - 1))
        return TargetUnits(self.unit[series].reshape(shape), self.positive[series].reshape(shape) > 0)

    def _covariates(self, panel: Panel, pad: int, total: int) -> Tensor:
        """What the network sees of the covariates, at the places of `z`: (total, C)."""
        features = panel.exogenous.all_features
        if not features:
            return torch.zeros(0, 0)
        found = np.zeros((total, len(features)), dtype=np.float32)
        for i, series in enumerate(panel):
            covariates_at = panel.covariates_at(i, len(series) + self.plan.horizon)
            for c, feature in enumerate(features):
                if feature.role == "static" and not feature.categories:
                    covariates_at[:, c] = (covariates_at[:, c] - feature.mean) / feature.scale
                elif not feature.categories and not feature.flag:
                    covariates_at[:, c] = _in_own_units(covariates_at[:, c], len(series))
            first = int(self.starts[i])
            edges = ((pad, pad - self.plan.horizon), (0, 0))
            found[first - pad : first + len(series) + pad] = np.pad(np.nan_to_num(covariates_at), edges, mode="edge")
        return torch.from_numpy(found)


def linear_effects(panel: Panel, plan: Plan) -> LinearEffects:
    """Estimate the effects of what is known in advance on what the network sees of the long series."""
    features, series = panel.exogenous.all_features, []
    for i in np.flatnonzero(is_long_series(panel, plan.lookback + plan.horizon)).tolist():
        values = panel[i]
        _, known = _open_values(panel, i, plan)
        if known.any():
            z = np.where(known, _transformed(values, known, plan.season)[0], np.nan)
            series.append((z, design(panel.covariates_at(i, len(values)), features)))
    return LinearEffects.fit(series, plan.season, features)


class WindowSampler:
    """Random windows of a store, as batches for the training loop: any series, any phase.

    A long series is drawn as often as its length warrants, within a factor of ten; all short ones together in a fifth
    of the draws at most, and those that the network cannot read not at all.
    """

    def __init__(self, store: WindowStore, *, batches: int, batch_size: int) -> None:
        self._store = store
        self._batches = batches
        self._batch_size = batch_size
        lengths = store.lengths.double().clamp(min=1)
        typical = float(lengths[store.long].median())
        weights = lengths.clamp(max=typical * 3, min=typical / 3)
        known = store.known(torch.arange(len(lengths)), store.lengths).double()
        short = torch.where(known < store.plan.min_known, 0.0, known) * ~store.long
        short = short * min(1.0, _SHORT * float(weights[store.long].sum()) / max(float(short.sum()), 1.0))
        self._weights = torch.where(store.long, weights, short)

    def __iter__(self) -> Iterator[Batch]:
        for series, ends in self.sample_positions():
            yield Batch(self._store.inputs(series, ends), self._store.targets(series, ends))

    def sample_positions(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Series and ends of the windows of each batch."""
        for _ in range(self._batches):
            series = torch.multinomial(self._weights, self._batch_size, replacement=True, generator=rng.generator())
            lengths = self._store.lengths[series]
            min_history = self._store.min_history(lengths)
            ends = (
                min_history
                + (torch.rand(len(series), generator=rng.generator()) * (lengths - min_history).clamp(min=1)).long()
            )
            yield series, ends


_EPOCHS = {"M": np.array("1970-01-05", "M8[us]"), "i": np.array(0)}
"""Origin of phases, by the kind of stamps."""


def _open_values(panel: Panel, i: int, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Return which steps of a series and of a forecast are closed, (T + F,), and which values are known otherwise."""
    closed = find_structural_zeros(panel[i], sorted({*panel.frequency.seasons, plan.season}), plan.horizon)
    return closed, np.isfinite(panel[i]) & ~closed[: len(panel[i])]


def _transformed(series: np.ndarray, known: np.ndarray, season: int) -> tuple[np.ndarray, float, bool]:
    """Return what the network sees of a series, gaps filled, its unit, and whether it is positive."""
    size = np.abs(series[known])
    middle = float(np.median(size))
    positive = bool(series[known].min() > 1e-3 * middle)
    unit = (middle if positive else float(size.mean())) or 1.0
    filled = _filled(series, known, season) / unit
    return (np.log(filled) if positive else filled), unit, positive


def _effect(panel: Panel, i: int, plan: Plan, effects: LinearEffects, z: np.ndarray) -> np.ndarray:
    """Return the effect at each step of a series and of a forecast: (T + F,)."""
    x = design(panel.covariates_at(i, len(z) + plan.horizon), panel.exogenous.all_features)
    return x @ effects.of_series(z, x[: len(z)], plan.season)


def _in_own_units(values: np.ndarray, steps: int) -> np.ndarray:
    """Numbers as distances from their mean over the first `steps`, in standard deviations."""
    known = values[:steps][np.isfinite(values[:steps])]
    if not len(known):
        return values * 0.0
    spread = float(known.std())
    return np.arcsinh((values - known.mean()) / (spread if spread > 1e-9 * abs(float(known.mean())) else 1.0))


def _filled(series: np.ndarray, known: np.ndarray, season: int) -> np.ndarray:
    """Missing values filled from the past: the season before, else the last value; leading ones with the first."""
    filled = np.where(known, series, 0.0)
    first = int(known.argmax())
    filled[:first] = series[first]
    for t in np.flatnonzero(~known[first:]) + first:
        filled[t] = filled[t - season] if t - season >= first else filled[t - 1]
    return filled
