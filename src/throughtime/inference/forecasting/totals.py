"""Totals of forecasts over the horizon and over groups of series, with intervals from sample paths.

The point forecast of a total is the sum of the forecasts of its parts. Its interval comes from sample paths: the steps
of a path depend on each other as in held-out forecasts, and the paths of different series as far as their changes from
one horizon to the next moved together in the history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from throughtime._core.param_checks import check_int
from throughtime.inference.forecasting.baseline_changes import horizon_changes, mean_correlation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jaxtyping import Float, Int

    from throughtime.data.series.panel import Panel
    from throughtime.inference.forecasting.series_forecasts import SeriesForecaster

SERIES = "series"
"""The grouping whose groups are the single series."""

_MAX_VALUES = 40_000_000  # of all sample paths
_MIN_PATHS = 100


def total_columns(
    forecaster: SeriesForecaster,
    panel: Panel,
    groupings: Mapping[str, Sequence[str]],
    levels: Sequence[int | float],
    *,
    paths: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Return total, name, start, end, the forecast and the bounds of its intervals, as columns.

    Each series has a row for its horizon. Each group has a row for each date and one for all of them.

    Args:
        forecaster: of the series.
        panel: series to forecast.
        groupings: by name, the group of each series, '' for series without one.
        levels: of the intervals, in percent.
        paths: sample paths; fewer where the series are so many that memory would not hold them.
        seed: of the paths.

    Raises:
        InputError: for a number of paths below 1.
    """
    check_int("paths", paths)
    horizon = forecaster.plan.horizon
    paths = min(paths, max(_MIN_PATHS, _MAX_VALUES // max(len(panel) * horizon, 1)))
    correlation = mean_correlation(*horizon_changes(panel, forecaster.plan.season, horizon))
    point = np.nan_to_num(forecaster.forecast(panel, ()).point)
    samples = np.nan_to_num(forecaster.sample_jointly(panel, paths, seed, correlation))
    stamps = panel.future_timestamps(horizon).reshape(len(panel), horizon)
    rows = [
        (SERIES, str(name), stamps[i, 0], stamps[i, -1], point[i].sum(), samples[i].sum(1))
        for i, name in enumerate(panel.ids)
    ]
    for grouping, labels in groupings.items():
        for label in sorted(set(labels) - {""}):
            members = np.flatnonzero(np.array([name == label for name in labels]))
            dates, codes = np.unique(stamps[members], return_inverse=True)
            codes = codes.reshape(len(members), horizon)
            sums = _sum_by_date(point[members][:, None], codes, len(dates))[0]
            sampled = _sum_by_date(samples[members], codes, len(dates))
            rows += [(grouping, label, date, date, sums[t], sampled[:, t]) for t, date in enumerate(dates)]
            rows.append((grouping, label, dates[0], dates[-1], sums.sum(), sampled.sum(1)))
    return _columns(rows, levels)


def _sum_by_date(
    values: Float[np.ndarray, "m P F"], codes: Int[np.ndarray, "m F"], count: int
) -> Float[np.ndarray, "P {count}"]:
    """Return the sums of some series on each date; `codes` are the dates of their steps."""
    sums = np.zeros((values.shape[1], count))
    for series, dates in zip(values, codes, strict=True):
        sums[:, dates] += series
    return sums


def _columns(rows: list[tuple], levels: Sequence[int | float]) -> dict[str, np.ndarray]:
    total, name, start, end, point, samples = zip(*rows, strict=True)
    columns = {"total": np.array(total), "name": np.array(name), "start": np.array(start), "end": np.array(end)}
    columns["throughtime"] = np.array(point)
    for level in levels:
        low, high = np.percentile(np.stack(samples), [(100 - level) / 2, (100 + level) / 2], axis=1)
        columns[f"throughtime-lo-{level}"] = np.minimum(low, columns["throughtime"])
        columns[f"throughtime-hi-{level}"] = np.maximum(high, columns["throughtime"])
    return columns
