"""Windows of a panel as tensors: one contiguous store, cut without a Python step for each window.

The network does not see values but logarithms where a series is positive, and multiples of its typical size where it is
not; `Store` holds both, and undoes it. Covariates are seen in units of how much they change within their series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from throughtime import _random
from throughtime.data.sequences import Batch
from throughtime.tasks.forecasting.likelihoods import Units
from throughtime.tasks.forecasting.metrics import naive_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from throughtime.data.series import Panel
    from throughtime.tasks.forecasting.plan import Plan


class Store:
    """A panel prepared for a plan."""

    def __init__(self, panel: Panel, plan: Plan) -> None:
        self.plan = plan
        self.lengths = torch.from_numpy(panel.lengths)
        pad = plan.lookback + plan.horizon  # before and after every series, so that windows may hang over
        self.starts = torch.from_numpy(panel.offsets[:-1] + pad * np.arange(1, 2 * len(panel), 2))
        total = int(panel.offsets[-1]) + 2 * pad * len(panel)
        self._course = torch.zeros(3, total)  # z, whether it is real, and values in units
        z, (seen, real, values) = np.zeros(total), self._course.numpy()
        self.positive = torch.zeros(len(panel), dtype=torch.float64)
        self.unit = torch.ones(len(panel), dtype=torch.float64)
        self.naive_error = torch.ones(len(panel), dtype=torch.float64)
        for i, series in enumerate(panel):
            known = np.isfinite(series)
            first = int(self.starts[i])
            part = slice(first, first + len(series))
            if not known.any():
                continue
            filled = _filled(series, known, plan.season)
            size = np.abs(series[known])
            middle = float(np.median(size))
            positive = bool(series[known].min() > 1e-3 * middle)
            unit = (middle if positive else float(size.mean())) or 1.0
            self.positive[i], self.unit[i] = positive, unit
            transformed = filled / unit
            transformed = np.log(transformed) if positive else transformed
            z[part], real[part], values[part] = transformed, known, np.where(known, series / unit, 0.0)
            z[first - pad : first] = transformed[0]
            z[first + len(series) : first + len(series) + pad] = transformed[-1]
            self.naive_error[i] = naive_error(series, plan.season) or naive_error(series, 1) or 0.01 * unit
        seen[:] = z
        self.z = torch.from_numpy(z)
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

    def seen(self, series: Tensor, ends: Tensor, origins: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What followed `ends` as the network would see it, and whether it is known: (N, F) each.

        With origins in the windows that end there, what followed each of them: (N, K, F).
        """
        at = (self.starts[series] + ends).unsqueeze(1)
        at = at if origins is None else (at - self.plan.lookback + origins).unsqueeze(-1)
        at = at + torch.arange(self.plan.horizon)
        return self.z[at], self._course[1, at] > 0

    def least(self, lengths: Tensor) -> Tensor:
        """Steps before the first end of windows to learn from: a whole window, or half of a series that is short."""
        return torch.minimum(lengths // 2, torch.tensor(self.plan.lookback)).clamp(min=2 * self.plan.block)

    def held_out(self, held_out: int, most: int) -> Batch | None:
        """At most so many windows as a batch, with what follows their ends, a number of steps before the last."""
        series = torch.arange(len(self.lengths))[self.lengths > held_out + 2 * self.plan.block]
        if not len(series) or not held_out:
            return None
        series = series[torch.linspace(0, len(series) - 1, min(most, len(series))).long()]
        ends = self.lengths[series] - held_out
        return Batch(self.inputs(series, ends), self.targets(series, ends, last=True))

    def targets(self, series: Tensor, ends: Tensor, *, last: bool = False) -> Tensor:
        """What followed each origin in the windows that end there, or with `last` the end alone: (N, K, F, 5).

        The five are value, weight, 1 / naive error, positive and unit; in units.
        """
        plan = self.plan
        passed = 0 if last else plan.lookback - 2 * plan.block  # steps from the first origin to the end
        course = self._cut(self._course[1:], series, ends - passed, passed + plan.horizon)
        real, value = course.unfold(-1, plan.horizon, plan.block)
        unit = self.unit[series]
        constants = torch.stack([unit / self.naive_error[series], self.positive[series], unit]).float()
        # Channel by channel in memory, which is how a loss reads them.
        return torch.stack([value, real, *constants[..., None, None].expand(-1, *value.shape)]).movedim(0, -1)

    def _cut(self, course: Tensor, series: Tensor, first: Tensor, steps: int) -> Tensor:
        """So many steps of channels (C, total), from step `first` of each series on: (C, N, steps)."""
        return course.unfold(1, steps, 1)[:, self.starts[series] + first]

    def units(self, series: Tensor, dimensions: int) -> Units:
        """How to get from what the network sees of some series to their values; (N, 1, …) of so many dimensions."""
        shape = (-1, *(1,) * (dimensions - 1))
        return Units(self.unit[series].reshape(shape), self.positive[series].reshape(shape) > 0)

    def _covariates(self, panel: Panel, pad: int, total: int) -> Tensor:
        """What the network sees of the covariates, at the places of `z`: (total, C)."""
        features = panel.exogenous.all_features
        if not features:
            return torch.zeros(0, 0)
        found = np.zeros((total, len(features)), dtype=np.float32)
        for i, series in enumerate(panel):
            course = panel.course(i, len(series) + self.plan.horizon)
            for c, feature in enumerate(features):
                if feature.role == "static" and not feature.categories:
                    course[:, c] = (course[:, c] - feature.mean) / feature.scale
                elif not feature.categories and not feature.flag:
                    course[:, c] = _in_own_units(course[:, c], len(series))
            first = int(self.starts[i])
            edges = ((pad, pad - self.plan.horizon), (0, 0))
            found[first - pad : first + len(series) + pad] = np.pad(np.nan_to_num(course), edges, mode="edge")
        return torch.from_numpy(found)


class Windows:
    """Random windows of a store, as batches for the training loop: any series, any phase.

    A series is drawn as often as its length warrants, within a factor of ten.
    """

    def __init__(self, store: Store, *, batches: int, batch_size: int) -> None:
        self._store = store
        self._batches = batches
        self._batch_size = batch_size
        lengths = store.lengths.double().clamp(min=1)
        self._weights = lengths.clamp(max=float(lengths.median()) * 3, min=float(lengths.median()) / 3)

    def __iter__(self) -> Iterator[Batch]:
        for series, ends in self.places():
            yield Batch(self._store.inputs(series, ends), self._store.targets(series, ends))

    def places(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Series and ends of the windows of each batch."""
        for _ in range(self._batches):
            series = torch.multinomial(self._weights, self._batch_size, replacement=True, generator=_random.generator())
            lengths = self._store.lengths[series]
            least = self._store.least(lengths)
            ends = (
                least + (torch.rand(len(series), generator=_random.generator()) * (lengths - least).clamp(min=1)).long()
            )
            yield series, ends


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
