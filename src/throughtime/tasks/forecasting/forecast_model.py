"""A trained forecaster without its panel: the network, its calibration, and forecasts of any panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from throughtime.inference.forecasting.series_forecasts import SeriesForecaster
from throughtime.tasks.forecasting.network.window_forecast import WindowForecast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool

    from throughtime.data.series.panel import Panel
    from throughtime.inference.forecasting.calibration import Calibration
    from throughtime.inference.forecasting.plan import Plan
    from throughtime.inference.forecasting.series_forecasts import Forecasts
    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork

_MAX_NAMED = 5


@dataclass
class ForecastModel:
    """The result of a training."""

    plan: Plan
    network: ForecastNetwork
    calibration: Calibration

    def decision_notes(self, panel: Panel) -> list[str]:
        """Return sentences on how the series are forecast: short series, share of the network, calibration."""
        short = [panel.ids[i] for i in np.flatnonzero(self.too_short(panel))]
        weight, expert = self.calibration.weight, self.calibration.expert.replace("_", " ")
        notes = []
        if short:
            named = ", ".join(map(str, short[:_MAX_NAMED])) + (", …" if len(short) > _MAX_NAMED else "")
            notes.append(
                f"Too short for the network, forecast from their own level and the mean season of the others, with "
                f"intervals as wide as forecasts of the others from as few values err: {len(short)} series ({named})."
                if len(panel) > len(short)
                else "Too short for the network, forecast from the level and the mean season."
            )
        if len(panel) == len(short):
            pass
        elif weight == 0:
            notes.append(
                f"The network was not better than {expert} on held-out windows, so the forecast is that of {expert}."
            )
        elif weight < 1:
            share = "less than 1%" if weight < 0.005 else "more than 99%" if weight > 0.995 else f"{weight:.0%}"
            notes.append(f"The network's share of the forecast is {share}, the rest is that of {expert}.")
        if not self.calibration.horizons:
            notes.append("The data are too short to calibrate the intervals: they are a guess.")
        return notes

    def too_short(self, panel: Panel) -> Bool[np.ndarray, "n"]:
        """Return which series have too few observed values for the network: less than two of its steps."""
        return np.array([np.isfinite(values).sum() < 2 * self.plan.block for values in panel])

    def forecast(self, panel: Panel, levels: Sequence[int | float], horizon: int | None = None) -> Forecasts:
        """Forecast as `SeriesForecaster.forecast`."""
        return self.series_forecaster().forecast(panel, levels, horizon)

    def series_forecaster(self) -> SeriesForecaster:
        """Return the forecaster of series that calls the network."""
        network, calibration = self.network, self.calibration
        call = WindowForecast(network, calibration.expert).call
        return SeriesForecaster(self.plan, calibration, network.likelihood.errors, network.linear_effects, call)
