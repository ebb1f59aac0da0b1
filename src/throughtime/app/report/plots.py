"""The charts of a report: forecast, backtest, errors by step, losses, gradients by lag."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from throughtime.app.report.chart import Chart, fit_axis

if TYPE_CHECKING:
    from markupsafe import Markup

    from throughtime.app.report.chart import AxisKind
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

_MIN_SHARE = 1e-4  # smaller gradients are drawn at this share of the largest


def draw_forecast(view: SeriesView, width: int, height: int) -> Markup:
    """Draw the history of a series and its forecast with intervals."""
    future = view.forecast
    x = fit_axis(view.history.x, future.x, kind=_axis_kind(view), margin=0.01)
    bounds = [bound for pair in future.bounds.values() for bound in pair]
    y = fit_axis(view.history.y, future.y, *bounds)
    chart = Chart(f"{view.name}: history, forecast and its intervals", x, y, width, height)
    last = np.flatnonzero(np.isfinite(view.history.y))[-1:]
    _draw_bands(chart, future)
    chart.line(view.history.x, view.history.y, "actual")
    joined_x = np.concatenate([view.history.x[last], future.x])
    joined_y = np.concatenate([view.history.y[last], future.y])
    chart.line(joined_x, joined_y, "network")
    chart.rule(float(view.history.x[-1]))
    return chart.svg()


def draw_windows(view: SeriesView, width: int, height: int) -> Markup:
    """Draw the forecasts of held-out windows over the actual values."""
    windows = view.windows
    lead = 2 * len(windows[0].actual)
    first = max(0, int(np.searchsorted(view.history.x, windows[0].network.x[0])) - lead)
    x, y = view.history.x[first:], view.history.y[first:]
    bounds = [bound for window in windows for bound in next(iter(window.network.bounds.values()), ())]
    forecasts = [values for window in windows for values in (window.network.y, window.naive)]
    chart = Chart(
        f"{view.name}: forecasts of {len(windows)} held-out windows over the actual values",
        fit_axis(x, kind=_axis_kind(view), margin=0.01),
        fit_axis(y, *forecasts, *bounds),
        width,
        height,
    )
    for window in windows:
        chart.rule(float(window.network.x[0]))
        _draw_bands(chart, window.network, most=1)
    chart.line(x, y, "actual")
    for window in windows:
        chart.line(window.network.x, window.naive, "seasonal")
        chart.line(window.network.x, window.network.y, "network")
    return chart.svg()


def draw_errors_by_step(errors: dict[str, list[float]], width: int, height: int) -> Markup:
    """Draw the error of each step of the horizon, by method."""
    steps = np.arange(1, len(errors["throughtime"]) + 1)
    axes = fit_axis(steps, kind="whole", margin=0.02), fit_axis(*errors.values(), zero=True)
    chart = Chart("Mean absolute scaled error by step of the horizon, by method", *axes, width, height)
    for method in reversed([name for name in METHODS if name in errors]):
        chart.line(steps, errors[method], METHODS[method])
        if len(steps) <= 24:
            chart.dots(steps, errors[method], METHODS[method])
    return chart.svg("steps ahead")


def draw_losses(history: History, width: int, height: int) -> Markup:
    """Draw the training and validation loss by epoch."""
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


def draw_gradients(gradients: list[float], width: int, height: int) -> Markup:
    """Draw the gradient of the loss with respect to the hidden state, by lag, as a share of the largest."""
    norms = np.array(gradients)
    shares = np.log10(np.maximum(norms / max(norms.max(), 1e-300), _MIN_SHARE))
    lags = np.arange(len(shares))
    axes = fit_axis(lags, kind="whole", margin=0.02), fit_axis(shares, [0.0, -1.0], kind="powers")
    chart = Chart("Mean gradient norm of the loss with respect to the hidden state by lag", *axes, width, height)
    chart.band(lags, np.full(len(lags), chart.y.low), shares, "network")
    chart.line(lags, shares, "network")
    chart.dots(lags, shares, "network")
    return chart.svg("recurrent steps back")


def _axis_kind(view: SeriesView) -> AxisKind:
    return "dates" if view.dated else "whole"


def _draw_bands(chart: Chart, curve: Curve, most: int | None = None) -> None:
    """Draw the intervals of a forecast, the widest first, or only the `most` narrowest."""
    for level in sorted(sorted(curve.bounds)[:most], reverse=True):
        chart.band(curve.x, *curve.bounds[level], "network")
