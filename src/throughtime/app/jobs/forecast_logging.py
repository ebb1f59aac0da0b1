"""Forecasts of commands, logged in the model directory for `throughtime monitor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughtime._core.errors import InputError, warn
from throughtime.inference.forecasting.held_out_errors import UNIT_LEVEL
from throughtime.io import directory
from throughtime.tasks.forecasting.monitoring import forecast_log

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from throughtime import Forecaster


def predict_and_log(
    forecaster: Forecaster, model: Path | None = None, frame: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Forecast as `Forecaster.predict`, and log the forecast: in the model directory, or in the forecaster.

    Where the directory cannot be written, the forecast is returned with a warning.

    Args:
        forecaster: fitted.
        model: directory of the model; None where it is not written yet.
        frame: rows to forecast from; those of the training if None.
    """
    forecast = forecaster.predict(frame, level=[*forecaster.levels, UNIT_LEVEL])
    line = forecaster.log_forecast(forecast)
    if model is not None:
        _append(model, line)
    if UNIT_LEVEL not in forecaster.levels:
        forecast = forecast.drop(f"throughtime-lo-{UNIT_LEVEL}", f"throughtime-hi-{UNIT_LEVEL}")
    return forecast


def _append(model: Path, line: bytes) -> None:
    try:
        with directory.locked(model):
            directory.write_forecasts(model, forecast_log.append(directory.read_forecasts(model), line))
    except (OSError, InputError) as error:
        warn(f"The forecast is not logged for throughtime monitor: {getattr(error, 'strerror', None) or error}.")
