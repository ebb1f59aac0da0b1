"""A request for forecasts: checks of its settings, the panel to forecast from, and the columns of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError, warn
from throughtime._core.param_checks import check_int
from throughtime.inference.forecasting.ended_series import ended_notes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime.data.series.panel import Panel
    from throughtime.inference.forecasting.series_forecasts import SeriesForecaster

_MAX_NAMED = 5
_MAX_HORIZON = 100_000  # steps


def forecast_columns(
    forecaster: SeriesForecaster, panel: Panel, levels: Sequence[int | float], horizon: int
) -> dict[str, np.ndarray]:
    """Return unique_id, ds, the forecast and the bounds of its intervals, as columns."""
    forecasts = forecaster.forecast(panel, levels, horizon)
    columns = {**_index(panel, horizon), "throughtime": forecasts.point.ravel()}
    for percent in levels:
        columns[f"throughtime-lo-{percent}"] = forecasts.low[percent].ravel()
        columns[f"throughtime-hi-{percent}"] = forecasts.high[percent].ravel()
    return columns


def sample_columns(forecaster: SeriesForecaster, panel: Panel, paths: int, seed: int) -> dict[str, np.ndarray]:
    """Return unique_id, ds, path and the values of sample paths, as columns.

    Raises:
        InputError: for a number of paths below 1.
    """
    check_int("paths", paths)
    samples = forecaster.sample(panel, paths, seed)
    index = _index(panel, forecaster.plan.horizon)
    keys = {name: np.repeat(key.reshape(len(panel), 1, -1), paths, 1) for name, key in index.items()}
    number = np.broadcast_to(np.arange(paths)[:, None], samples.shape)
    return {name: c.ravel() for name, c in {**keys, "path": number, "throughtime": samples}.items()}


def _index(panel: Panel, count: int) -> dict[str, np.ndarray]:
    """Return unique_id and ds of the steps after the end of each series."""
    return {"unique_id": np.repeat(np.array(panel.ids), count), "ds": panel.future_timestamps(count)}


def check_horizon(value: Any) -> None:
    """Refuse a value that is not a number of steps, or too many to forecast in minutes.

    Raises:
        InputError: states the bounds.
    """
    check_int("horizon", value)
    if value > _MAX_HORIZON:
        raise InputError(f"horizon: expected at most {_MAX_HORIZON:,} steps, got {value:,}")


def sorted_levels(levels: Sequence[int | float]) -> list[int | float]:
    """Return the levels of intervals in order, without duplicates.

    Raises:
        InputError: for a value that is not a percentage.
    """
    try:
        unique = sorted(set(levels))
    except TypeError:
        raise InputError(f"levels: expected percentages such as [80, 95], got {levels!r}") from None
    for level in unique:
        if isinstance(level, bool) or not isinstance(level, int | float | np.number) or not 0 < level < 100:
            raise InputError(f"levels: expected percentages between 0 and 100, got {level!r}")
    return unique


def warn_of_later_rows(panel: Panel, trained: Panel, horizon: int, *, lookback: int, ended: str) -> None:
    """Warn of series of later rows that have ended, and of those with few rows.

    Args:
        panel: of later rows.
        trained: of the training.
        horizon: steps to forecast.
        lookback: steps that a forecast reads.
        ended: how series that have ended are forecast.
    """
    for sentence in [*ended_notes(panel, horizon, ended), *short_history_notes(panel, trained, lookback)]:
        warn(sentence)


def short_history_notes(newer: Panel, former: Panel, lookback: int) -> list[str]:
    """Return a note on training series of which only a few later rows are passed; none where there are none.

    Args:
        newer: panel to forecast from.
        former: panel of the training.
        lookback: steps that a forecast reads.
    """
    starts = dict(zip(former.ids, former.starts, strict=True))
    is_short = (newer.lengths < lookback) & (newer.steps_after(former) > 0)
    short = [i for i in np.flatnonzero(is_short) if newer.starts[i] > starts.get(newer.ids[i], newer.starts[i])]
    if not short:
        return []
    named = ", ".join(f"{newer.ids[i]} ({newer.lengths[i]})" for i in short[:_MAX_NAMED])
    more = f" and {len(short) - _MAX_NAMED} more" if len(short) > _MAX_NAMED else ""
    note = (
        f"Fewer rows than the {lookback} that a forecast reads: {named}{more}. The rows of the training are not read "
    )
    return [note + "again: for a better forecast pass them too, together with the later ones."]
