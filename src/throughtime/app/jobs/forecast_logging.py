"""Forecasts of commands, logged in the model directory for `throughtime monitor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughtime._core.errors import InputError, warn
from throughtime.inference.forecasting import forecast_log
from throughtime.inference.forecasting.held_out_errors import UNIT_LEVEL
from throughtime.inference.forecasting.logged_frames import logged_forecast
from throughtime.io import directory

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from throughtime.data.series.column_table import ColumnTable
    from throughtime.inference.forecasting.forecaster import ForecasterModel


def predict_and_log(model: ForecasterModel, path: Path, table: ColumnTable | None = None) -> pl.DataFrame:
    """Forecast as `ForecasterModel.predict_table`, and log the forecast in the model directory.

    Where the directory cannot be written, the forecast is returned with a warning.

    Args:
        model: of the directory.
        path: the directory.
        table: rows to forecast from; those of the training if None.
    """
    levels = model.settings["levels"]
    forecast = model.predict_table(table, level=[*levels, UNIT_LEVEL])
    _append(path, logged_forecast(forecast, model.panel, model.format, model.settings["freq"]).to_line())
    if UNIT_LEVEL not in levels:
        forecast = forecast.drop(f"throughtime-lo-{UNIT_LEVEL}", f"throughtime-hi-{UNIT_LEVEL}")
    return forecast


def _append(model: Path, line: bytes) -> None:
    try:
        with directory.locked(model):
            directory.write_forecasts(model, forecast_log.append(directory.read_forecasts(model), line))
    except (OSError, InputError) as error:
        warn(f"The forecast is not logged for throughtime monitor: {getattr(error, 'strerror', None) or error}.")
