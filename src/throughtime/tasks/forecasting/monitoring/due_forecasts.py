"""Logged forecasts next to the values that came: every value once, in the last forecast before it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float, Int

    from throughtime.data.series.panel import Panel
    from throughtime.inference.forecasting.forecast_log import LoggedForecast
    from throughtime.inference.forecasting.held_out_errors import HeldOutErrors

MAX_ERROR = 5.0
"""Half widths of the interval; larger errors count as this, so that a single value decides nothing."""

_MIN_SIZE = 0.02


@dataclass(frozen=True)
class DueForecast:
    """A forecast up to the next one, with what came.

    Attributes:
        start: date of the first step of most series, in microseconds or as a whole number.
        rows: index of each series in the list of all series: (n,).
        starts: date of the first step of each series: (n,).
        y: values that came, NaN where unknown or after the next forecast: (n, F).
        point: forecasts: (n, F).
        low: lower bounds of the interval.
        high: upper bounds.
    """

    start: int
    rows: Int[np.ndarray, "n"]
    starts: Int[np.ndarray, "n"]
    y: Float[np.ndarray, "n F"]
    point: Float[np.ndarray, "n F"]
    low: Float[np.ndarray, "n F"]
    high: Float[np.ndarray, "n F"]

    @property
    def steps(self) -> int:
        """Number of the last step with a value, 0 without any."""
        observed = np.flatnonzero(np.isfinite(self.y).any(axis=0))
        return int(observed[-1]) + 1 if len(observed) else 0

    def ids_with_values(self, ids: Sequence[Any]) -> list[Any]:
        """Return the names of the series with a value, of the names of all series."""
        return [ids[i] for i in self.rows[np.isfinite(self.y).any(axis=1)]]

    def errors(self) -> Float[np.ndarray, "n F"]:
        """Return errors in half widths of the interval, NaN where unknown.

        Errors of positive forecasts are those of logarithms, in which intervals are symmetric.
        """
        positive = self.low > 0
        with np.errstate(all="ignore"):
            ratio = np.log(np.where(self.y > 0, self.y, np.nan) / self.point) / np.log(self.high / self.point)
            ratio = np.where(self.y <= 0, -MAX_ERROR, ratio)
            plain = (self.y - self.point) / ((self.high - self.low) / 2)
        errors = np.where(positive, ratio, plain)  # 0 / 0 where a certain value came
        return np.clip(np.where(np.isfinite(self.y), errors, np.nan), -MAX_ERROR, MAX_ERROR)

    def figures(self, steps: int, series: int) -> Float[np.ndarray, "{series} 2"]:
        """Return mean and size of the errors of each series over the first steps."""
        result = np.full((series, 2), np.nan)
        result[self.rows] = error_figures(self.errors()[:, :steps])
        return result


@dataclass
class DueForecasts:
    """All forecasts of which some values have come, in order.

    Attributes:
        ids: names of the series.
        forecasts: in order.
        pending: number of forecasts without any value yet.
    """

    ids: list[Any] = field(default_factory=list)
    forecasts: list[DueForecast] = field(default_factory=list)
    pending: int = 0

    @classmethod
    def of(cls, logged: Sequence[LoggedForecast], panel: Panel) -> DueForecasts:
        """Match forecasts with the values of a panel.

        Args:
            logged: in the order in which they were made; of two from the same date the later one counts.
            panel: all values that are observed.
        """
        latest = {int(np.median(forecast.starts)): forecast for forecast in logged if len(forecast.ids)}
        ordered = [latest[start] for start in sorted(latest)]
        ids = list(dict.fromkeys([*panel.ids, *(name for forecast in ordered for name in forecast.ids)]))
        places, indices = {name: i for i, name in enumerate(ids)}, {name: i for i, name in enumerate(panel.ids)}
        next_starts: dict[Any, int] = {}
        due = cls(ids)
        for forecast in reversed(ordered):
            count = int(forecast.point.shape[-1])
            y = np.full((len(forecast.ids), count), np.nan)
            for i, (name, start) in enumerate(zip(forecast.ids, forecast.starts.tolist(), strict=True)):
                values = _values_from(panel, indices.get(name), start, count)
                limit = _steps_between(panel, start, next_starts.get(name), count)
                y[i, :limit] = values[:limit]
                next_starts[name] = start
            rows = np.array([places[name] for name in forecast.ids])
            start = int(np.median(forecast.starts))
            bounds = forecast.point, forecast.low, forecast.high
            due.forecasts.insert(0, DueForecast(start, rows, forecast.starts, y, *bounds))
        due.pending = sum(forecast.steps == 0 for forecast in due.forecasts)
        due.forecasts = [forecast for forecast in due.forecasts if forecast.steps]
        return due

    @property
    def cadence(self) -> int:
        """Steps from one forecast to the next, typically."""
        steps = [forecast.steps for forecast in self.forecasts]
        return int(np.median(steps[:-1])) if len(steps) > 1 else max(steps, default=1)


def error_figures(errors: Float[np.ndarray, "..."]) -> Float[np.ndarray, "..."]:
    """Return the mean error, and the logarithm of the mean size of errors, over the last axis; NaN where unknown."""
    observed = np.isfinite(errors)
    count = np.where(observed.any(-1), observed.sum(-1), np.nan)
    clean = np.where(observed, errors, 0.0)
    return np.stack([clean.sum(-1) / count, np.log(np.abs(clean).sum(-1) / count + _MIN_SIZE)], -1)


def held_out_figures(
    held_out: HeldOutErrors, steps: int, series: int
) -> tuple[Float[np.ndarray, "R {series} 2"], float]:
    """Return the figures of held-out forecasts by origin, NaN where unknown, and how many origins do not overlap."""
    rows = held_out.series < series
    origins, places = np.unique(held_out.steps_back[rows], return_inverse=True)
    figures = np.full((len(origins), series, 2), np.nan)
    errors = np.clip(held_out.errors[rows, :steps], -MAX_ERROR, MAX_ERROR)
    figures[places, held_out.series[rows]] = error_figures(errors)
    span = int(origins[-1] - origins[0]) + steps if len(origins) else 0
    return figures, min(float(len(origins)), span / steps)


def _values_from(panel: Panel, i: int | None, start: int, count: int) -> Float[np.ndarray, "{count}"]:
    """Return values of a series from a date on, NaN where unknown."""
    values = np.full(count, np.nan)
    if i is None:
        return values
    stamp = np.int64(start).astype(panel.starts.dtype)
    first = int(panel.frequency.steps(panel.starts[i], stamp))
    if panel.frequency.stamps(panel.starts[i], np.array([first]))[0] != stamp:
        return values
    low, high = max(first, 0), min(first + count, len(panel[i]))
    if high > low:
        values[low - first : high - first] = panel[i][low:high]
    return values


def _steps_between(panel: Panel, start: int, following: int | None, most: int) -> int:
    if following is None:
        return most
    first, last = (np.int64(date).astype(panel.starts.dtype) for date in (start, following))
    return max(0, min(int(panel.frequency.steps(first, last)), most))
