"""Frames of forecasts as entries of the log."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from throughtime._core.errors import InputError
from throughtime.data.series.covariates import Exogenous
from throughtime.data.series.frames import read_later_frame
from throughtime.inference.forecasting.forecast_log import LoggedForecast
from throughtime.inference.forecasting.held_out_errors import UNIT_LEVEL

if TYPE_CHECKING:
    from narwhals.typing import IntoDataFrame

    from throughtime.data.series.frame_format import FrameFormat
    from throughtime.data.series.panel import Panel

_COLUMNS = ("throughtime", f"throughtime-lo-{UNIT_LEVEL}", f"throughtime-hi-{UNIT_LEVEL}")


def logged_forecast(frame: IntoDataFrame, trained: Panel, kind: FrameFormat, freq: str | None) -> LoggedForecast:
    """Return the entry of a frame that `predict` returned.

    Args:
        frame: of forecasts.
        trained: series of the training.
        kind: of the frame of the training.
        freq: the setting of the forecaster.

    Raises:
        InputError: for another frame.
    """
    import narwhals as nw

    table, bare = nw.from_native(frame, eager_only=True), replace(trained, exogenous=Exogenous())
    absent = [name for name in ("unique_id", "ds", *_COLUMNS) if name not in table.columns]
    if absent:
        raise InputError(f"forecast: expected a frame of predict with level=[{UNIT_LEVEL}], {absent[0]} is missing")
    columns = [table.select("unique_id", "ds", nw.col(name).alias("y")).to_native() for name in _COLUMNS]
    panels = [read_later_frame(column, bare, kind, freq=freq)[0] for column in columns]
    first, count = panels[0], int(panels[0].lengths.max())
    arrays = [
        np.stack([np.pad(values, (0, count - len(values)), constant_values=np.nan) for values in panel])
        for panel in panels
    ]
    return LoggedForecast(list(first.ids), first.starts.astype(np.int64), *arrays, series=len(first))
