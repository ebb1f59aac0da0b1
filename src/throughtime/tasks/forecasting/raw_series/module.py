"""The module: values of series in their own units in, forecasts and the bounds of intervals out.

Other runtimes have no code around a network. So what `PreparedSeries` and `SeriesForecaster` do with ragged series
is in this package once more, for a batch of series of one length and in operators that export. Whatever writes the
module compares it first with the forecaster, on the series of the training.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from throughtime._core.errors import InputError
from throughtime.inference.forecasting.autoregression import AUTOREGRESSION
from throughtime.inference.forecasting.error_distributions import MAX_LOG_WIDTH, LocationScale
from throughtime.tasks.forecasting.network.window_forecast import WindowForecast
from throughtime.tasks.forecasting.raw_series.covariates import SeriesCovariates
from throughtime.tasks.forecasting.raw_series.linear_forecast import autoregression
from throughtime.tasks.forecasting.raw_series.transforms import TransformedSeries, structural_zeros, transform_series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Float, Int
    from torch import Tensor

    from throughtime.inference.forecasting.calibration import Calibration
    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork

_MAX_LOGARITHM = 60.0  # of a value: exponentials stay finite


class RawSeriesForecast(nn.Module):
    """Forecasts of series from their raw values.

    Args:
        network: trained.
        calibration: of its errors.
        levels: of the intervals, in percent.
        seasons: of structural zeros, in steps.

    Raises:
        InputError: for a forecaster that estimates something else at each prediction.
    """

    weight: Tensor
    profile: Tensor
    scales: Tensor
    fading: Tensor
    factors: Tensor
    widths: Tensor

    def __init__(
        self, network: ForecastNetwork, calibration: Calibration, levels: Sequence[float], seasons: Sequence[int]
    ) -> None:
        super().__init__()
        if type(network.likelihood.errors) is not LocationScale:
            raise InputError(
                "export: intervals of Student's and the negative binomial distribution are found by iteration, which "
                "ONNX does not have; train with likelihood=None or 'normal', or use throughtime.runtime"
            )
        effects = network.linear_effects
        if effects is not None and effects.spread.any():
            raise InputError(
                "export: the effects of the columns known in advance differ between the series, and are estimated "
                "again for each at prediction, which ONNX does not have; use throughtime.runtime"
            )
        self.window = WindowForecast(network, calibration.expert)
        self.plan, self.seasons = network.plan, tuple(seasons)
        self.has_autoregression = calibration.expert == AUTOREGRESSION and calibration.weight < 1
        self.covariates = SeriesCovariates(network.features, effects) if network.features else None
        pooled = calibration.pooled
        self.knots = np.log(pooled.counts).tolist()
        arrays = {
            "weight": np.array(calibration.weight, dtype=np.float64),
            "profile": pooled.profile,
            "scales": pooled.scales,
            "fading": pooled.fading,
            "factors": pooled.widening if len(pooled.counts) else np.ones(1),
            "widths": np.stack([calibration.width(level) for level in levels]),
        }
        for name, array in arrays.items():
            self.register_buffer(name, torch.tensor(array))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Return forecasts, and the lower and the upper bound for each level, each (N, F), in units of the series.

        Args:
            inputs: y, the values (N, T), NaN where unknown, and before the beginning of shorter series; where the
                plan has a season, phase, the position of the first step to forecast in the longest season (N); and
                where there are covariates, their columns at these steps (N, T, C) and at those to forecast (N, F, C),
                NaN where unknown, words as their codes.
        """
        y, *rest = inputs
        plan = self.plan
        phase = rest.pop(0) if plan.cycle > 1 else y.new_zeros(y.shape[0], dtype=torch.int64)
        is_observed = y.isfinite()
        zeros = structural_zeros(y, is_observed, self.seasons, plan.horizon)
        steps = y.shape[1]
        series = transform_series(y, is_observed & ~zeros[:, :steps], plan.season)
        x, effect_ahead = self._window(series, rest)
        z, params, observed = self._forecast(x, series.is_positive, phase)
        return self._in_units(z + effect_ahead, params, observed, series, zeros[:, steps:], is_observed)

    def _window(
        self, series: TransformedSeries, columns: Sequence[Float[Tensor, "N _ C"]]
    ) -> tuple[Float[Tensor, "N L D"], Float[Tensor, "N F"]]:
        """Return the input of the network, and the effect of the covariates on the steps to forecast."""
        plan, steps = self.plan, series.z.shape[1]
        if self.covariates is None:
            x = self._values_and_mask(series, series.z)
            return x, torch.zeros_like(series.z[:, :1]).expand(-1, plan.horizon)
        table = torch.cat([*columns], 1)
        effect = self.covariates.effect(table)
        x = self._values_and_mask(series, series.z - effect[:, :steps])
        x = torch.cat([x, torch.zeros_like(x[:, :1]).expand(-1, plan.horizon, -1)], 1)
        encoded = self.covariates.encode(table, series.first, steps).float()
        rows = torch.maximum(torch.arange(-plan.lookback, plan.horizon) + steps, series.first)
        rows = rows.unsqueeze(-1).expand(-1, -1, encoded.shape[-1])
        return torch.cat([x, encoded.gather(1, rows)], -1), effect[:, steps:]

    def _values_and_mask(self, series: TransformedSeries, z: Float[Tensor, "N T"]) -> Float[Tensor, "N W 2"]:
        """Return the window of transformed values, the first one before the series begins, and their mask."""
        lookback, start = self.plan.lookback, z.gather(1, series.first)
        z = torch.where(torch.arange(z.shape[1]) < series.first, start, z)
        z = torch.cat([start.expand(-1, lookback), z], 1)[:, -lookback:]
        mask = torch.cat([torch.zeros_like(z), series.observed.to(z.dtype)], 1)[:, -lookback:]
        return torch.stack([z, mask], -1).float()

    def _forecast(
        self, x: Float[Tensor, "N L D"], is_positive: Bool[Tensor, "N 1"], phase: Int[Tensor, "N"]
    ) -> tuple[Float[Tensor, "N F"], Float[Tensor, "N ... P"], Float[Tensor, "N"]]:
        """Return what `forecast_windows` does."""
        plan = self.plan
        z, params, observed = self.window(x, torch.where(is_positive, self.scales[1], self.scales[0]), self.weight)
        values, mask = x[:, : plan.lookback, :2].double().unbind(-1)
        if self.has_autoregression:
            z = self.weight * z + (1 - self.weight) * autoregression(values, plan.season, plan.horizon)
        season = self.profile[:, (phase.unsqueeze(1) + torch.arange(-plan.lookback, plan.horizon)) % plan.cycle]
        season = torch.where(is_positive, season[1], season[0])
        past, ahead = season[:, : plan.lookback], season[:, plan.lookback :]
        ages = (mask.sum(1, keepdim=True) - mask.cumsum(1)).clamp(min=0)
        weights = mask * self.fading**ages
        level = ((values - past) * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp(min=1e-9)
        level = torch.where(mask.sum(1, keepdim=True) > 0, level, (values - past)[:, -1:])
        return torch.where(observed.unsqueeze(1) < plan.min_observed, level + ahead, z), params, observed

    def _in_units(
        self,
        z: Float[Tensor, "N F"],
        params: Float[Tensor, "N ... P"],
        observed: Float[Tensor, "N"],
        series: TransformedSeries,
        zeros: Bool[Tensor, "N F"],
        is_observed: Bool[Tensor, "N T"],
    ) -> tuple[Tensor, ...]:
        """Return values at the forecast and at the bounds."""
        half = (params[..., 0] * self._interval_factor(observed)).unsqueeze(0) * self.widths.unsqueeze(1)
        damped = torch.where(half > MAX_LOG_WIDTH, MAX_LOG_WIDTH + (half - MAX_LOG_WIDTH).clamp(min=0).log1p(), half)
        locations = [z]
        for i in range(half.shape[0]):
            locations += [z - half[i], z + torch.where(series.is_positive, damped[i], half[i])]
        lowest = torch.where(series.has_negative, -torch.inf, 0.0)
        is_empty = is_observed.sum(1, keepdim=True) == 0
        outputs = []
        for location in locations:
            exponential = torch.where(series.is_positive, location, 0.0).clamp(max=_MAX_LOGARITHM).exp()
            values = torch.where(series.is_positive, exponential, location) * series.unit
            values = torch.where(zeros, 0.0, torch.maximum(values, lowest))
            outputs.append(torch.where(is_empty, torch.nan, values))
        return tuple(outputs)

    def _interval_factor(self, observed: Float[Tensor, "N"]) -> Float[Tensor, "N 1"]:
        """Return the factors of the intervals, interpolated between the numbers of observed values."""
        logarithm = observed.double().clamp(min=1).log()
        factor = torch.zeros_like(logarithm) + self.factors[0]
        for i, (low, high) in enumerate(pairwise(self.knots)):
            share = (logarithm >= high).double() if low == high else ((logarithm - low) / (high - low)).clamp(0, 1)
            factor = factor + share * (self.factors[i + 1] - self.factors[i])
        return factor.unsqueeze(1)
