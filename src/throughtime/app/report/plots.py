"""The pictures of a report: forecast, backtest, errors by step, losses, memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from throughtime.app.report.chart import Chart, fit_axis

if TYPE_CHECKING:
    from markupsafe import Markup

    from throughtime.app.report.chart import Kind
    from throughtime.app.report.forecast_run import Curve, SeriesView
    from throughtime.training import History

METHODS = {
    "throughtime": "network",
    "feed_forward": "forward",
    "autoregression": "linear",
    "seasonal_naive": "seasonal",
    "naive": "naive",
    "seasonal_mean": "mean",
    "drift": "drift",
}
"""The class of each method's line in the style sheet, the most important first."""

_FLOOR = 1e-4  # gradients below this share of the largest are not told apart


def forecast(view: SeriesView, width: int, height: int) -> Markup:
    """A series' history and what will follow, with intervals."""
    future = view.forecast
    x = fit_axis(view.history.x, future.x, kind=_kind(view), margin=0.01)
    bounds = [side for pair in future.bounds.values() for side in pair]
    y = fit_axis(view.history.y, future.y, *bounds)
    chart = Chart(f"{view.name}: history, forecast and its intervals", x, y, width, height)
    last = np.flatnonzero(np.isfinite(view.history.y))[-1:]
    _bands(chart, future)
    chart.line(view.history.x, view.history.y, "actual")
    joined_x, joined_y = (
        np.concatenate([view.history.x[last], future.x]),
        np.concatenate([view.history.y[last], future.y]),
    )
    chart.line(joined_x, joined_y, "network")
    chart.rule(float(view.history.x[-1]))
    return chart.svg()


def windows(view: SeriesView, width: int, height: int) -> Markup:
    """What would have been forecast in the past, over what happened."""
    shown = view.windows
    lead = 2 * len(shown[0].actual)
    first = max(0, int(np.searchsorted(view.history.x, shown[0].ours.x[0])) - lead)
    x, y = view.history.x[first:], view.history.y[first:]
    bounds = [side for w in shown for side in next(iter(w.ours.bounds.values()), ())]
    courses = [course for w in shown for course in (w.ours.y, w.naive)]
    chart = Chart(
        f"{view.name}: forecasts of {len(shown)} held-out windows over what happened",
        fit_axis(x, kind=_kind(view), margin=0.01),
        fit_axis(y, *courses, *bounds),
        width,
        height,
    )
    for window in shown:
        chart.rule(float(window.ours.x[0]))
        _bands(chart, window.ours, most=1)
    chart.line(x, y, "actual")
    for window in shown:
        chart.line(window.ours.x, window.naive, "seasonal")
        chart.line(window.ours.x, window.ours.y, "network")
    return chart.svg()


def by_step(errors: dict[str, list[float]], width: int, height: int) -> Markup:
    """The error of each step of the horizon, for every method."""
    steps = np.arange(1, len(errors["throughtime"]) + 1)
    axes = fit_axis(steps, kind="whole", margin=0.02), fit_axis(*errors.values(), zero=True)
    chart = Chart("Mean absolute scaled error by step of the horizon, by method", *axes, width, height)
    for method in reversed([name for name in METHODS if name in errors]):
        chart.line(steps, errors[method], METHODS[method])
        if len(steps) <= 24:
            chart.dots(steps, errors[method], METHODS[method])
    return chart.svg("steps ahead")


def losses(history: History, width: int, height: int) -> Markup:
    """Training and validation loss by epoch."""
    epochs = [record.epoch for record in history.records]
    training = [record.loss for record in history.records]
    validation = [math.nan if r.validation_loss is None else r.validation_loss for r in history.records]
    axes = fit_axis(epochs, kind="whole", margin=0.02), fit_axis(training, validation)
    chart = Chart("Training and validation loss by epoch", *axes, width, height)
    chart.line(epochs, training, "actual")
    chart.line(epochs, validation, "network")
    for values, kind in ((training, "actual"), (validation, "network")):
        chart.dots(epochs, values, kind)
    return chart.svg("epoch")


def memory(gradients: list[float], width: int, height: int) -> Markup:
    """The gradient of the loss with respect to the hidden state, by lag, as a share of the largest."""
    norms = np.array(gradients)
    shares = np.log10(np.maximum(norms / max(norms.max(), 1e-300), _FLOOR))
    lags = np.arange(len(shares))
    axes = fit_axis(lags, kind="whole", margin=0.02), fit_axis(shares, [0.0, -1.0], kind="powers")
    chart = Chart("Mean gradient norm of the loss with respect to the hidden state by lag", *axes, width, height)
    chart.band(lags, np.full(len(lags), chart.y.low), shares, "network")
    chart.line(lags, shares, "network")
    chart.dots(lags, shares, "network")
    return chart.svg("recurrent steps back")


def _kind(view: SeriesView) -> Kind:
    return "dates" if view.dated else "whole"


def _bands(chart: Chart, course: Curve, most: int | None = None) -> None:
    """The intervals of a forecast, the widest first."""
    for level in sorted(sorted(course.bounds)[:most], reverse=True):
        chart.band(course.x, *course.bounds[level], "network")
