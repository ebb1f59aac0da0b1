"""A panel as contiguous arrays, from which windows are cut.

The network reads transformed values: logarithms where a series is positive, multiples of its typical size where it is
not. Covariates are standardized within their series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from throughtime.inference.forecasting.error_distributions import Units
from throughtime.inference.forecasting.naive_error import naive_error
from throughtime.inference.forecasting.series_transforms import effect_by_step, observed_values, standardize, transform

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

    from throughtime.data.series.panel import Panel
    from throughtime.inference.forecasting.linear_effects import LinearEffects
    from throughtime.inference.forecasting.plan import Plan

MIN_ERROR = 1e-5  # in units of a series: smaller naive errors and ranges count as those of a constant
_PHASE_ORIGINS = {"M": np.array("1970-01-05", "M8[us]"), "i": np.array(0)}  # by the kind of time stamps


class PreparedSeries:
    """A panel prepared for a plan.

    Args:
        panel: of the series.
        plan: sizes.
        effects: of covariates known in advance, removed from the transformed values.

    Attributes:
        lengths: steps of each series: (n,).
        starts: position of the first step of each series in the arrays: (n,).
        is_positive: series with positive values only: (n,).
        unit: typical size of each series: (n,).
        naive_error: the denominator of MASE: (n,).
        has_negative: series with negative values: (n,).
        is_empty: series without any value: (n,).
        effect: linear effect at each position.
        structural_zeros: positions that are always zero.
        z: transformed values at each position.
        channels: transformed values, their mask, and values in units, at each position, in 32 bits: (3, total).
        phases: position of the first step of each series in the longest season: (n,).
        covariates: standardized covariates at each position: (total, C); (0, 0) without any.
    """

    def __init__(self, panel: Panel, plan: Plan, effects: LinearEffects | None = None) -> None:
        self.plan = plan
        self.lengths = panel.lengths
        pad = plan.lookback + plan.horizon  # before and after every series, so windows may extend beyond it
        self.starts = panel.offsets[:-1] + pad * np.arange(1, 2 * len(panel), 2)
        total = int(panel.offsets[-1]) + 2 * pad * len(panel)
        self.channels = np.zeros((3, total), dtype=np.float32)
        self.z = np.zeros(total)
        self.effect = np.zeros(total)
        self.structural_zeros = np.zeros(total, dtype=bool)
        self.is_positive, self.has_negative = np.zeros((2, len(panel)), dtype=bool)
        self.is_empty = np.ones(len(panel), dtype=bool)
        self.unit, self.naive_error = np.ones((2, len(panel)))
        for i in range(len(panel)):
            self._prepare(panel, i, pad, effects)
        self.channels[0] = self.z
        self.phases = panel.frequency.steps(_PHASE_ORIGINS[panel.starts.dtype.kind], panel.starts)
        self.covariates = self._covariates(panel, pad, total)

    def _prepare(self, panel: Panel, i: int, pad: int, effects: LinearEffects | None) -> None:
        """Fill the arrays at the positions of a series."""
        series, first, plan = panel[i], int(self.starts[i]), self.plan
        end = first + len(series)
        zeros, observed = observed_values(panel, i, plan)
        self.structural_zeros[first : first + len(zeros)] = zeros
        self.is_empty[i] = not np.isfinite(series).any()
        if not observed.any():
            return
        transformed, unit, positive = transform(series, observed, plan.season)
        self.is_positive[i], self.unit[i] = positive, unit
        self.has_negative[i] = series[observed].min() < 0
        scaled = np.where(observed, series / unit, 0.0)
        if effects is not None:
            effect = effect_by_step(panel, i, plan, effects, np.where(observed, transformed, np.nan))
            self.effect[first : first + len(effect)] = effect
            effect = effect[: len(series)]
            transformed = transformed - effect
            scaled = scaled * np.exp(-effect) if positive else np.where(observed, scaled - effect, 0.0)
        self.z[first:end] = transformed
        self.z[first - pad : first] = transformed[0]
        self.z[end : end + pad] = transformed[-1]
        self.channels[1, first:end] = observed
        self.channels[2, first:end] = scaled
        error = naive_error(series, plan.season) or naive_error(series, 1) or 0.01 * unit
        self.naive_error[i] = max(error, MIN_ERROR * unit)

    def _covariates(self, panel: Panel, pad: int, total: int) -> Float[np.ndarray, "total C"]:
        features = panel.exogenous.all_features
        if not features:
            return np.zeros((0, 0), dtype=np.float32)
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
        return covariates

    def units(self, dimensions: int) -> Units:
        """Return the units of the series, shaped (n, 1, …) for arrays of `dimensions` dimensions."""
        shape = (-1, *(1,) * (dimensions - 1))
        return Units(self.unit.reshape(shape), self.is_positive.reshape(shape))

    def last_windows(self, series: slice) -> Float[np.ndarray, "N L D"]:
        """Return the inputs of forecasts from the end of some series: (N, W, 2), or (N, W+F, 2+C) with covariates.

        The first two channels are the values and their mask, both 0 after the end.
        """
        plan, ends = self.plan, (self.starts + self.lengths)[series]
        past = sliding_window_view(self.channels[:2], plan.lookback, axis=1)[:, ends - plan.lookback]
        x = np.moveaxis(past, 0, -1)
        if not self.covariates.shape[1]:
            return x
        x = np.pad(x, ((0, 0), (0, plan.horizon), (0, 0)))
        steps = np.arange(-plan.lookback, plan.horizon)
        return np.concatenate([x, self.covariates[ends[:, None] + steps]], -1)

    def next_phases(self) -> Int[np.ndarray, "n"]:
        """Return the position in the longest season of the step after each series, equal for equal dates."""
        return (self.phases + self.lengths) % self.plan.cycle

    def effect_ahead(self) -> Float[np.ndarray, "n F"]:
        """Return the linear effects at the steps after each series, in transformed values."""
        return self.effect[self._ahead()]

    def structural_zeros_ahead(self) -> Bool[np.ndarray, "n F"]:
        """Return which steps after each series are at positions of a season that are always zero."""
        return self.structural_zeros[self._ahead()]

    def _ahead(self) -> Int[np.ndarray, "n F"]:
        return (self.starts + self.lengths)[:, None] + np.arange(self.plan.horizon)
