"""Plots of forecasts, as matplotlib figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError, requires

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from throughtime.tasks.forecasting.estimator import Forecaster
    from throughtime.tasks.forecasting.evaluation.window_results import Backtest

_MAX_SERIES = 6  # in a figure
_MIN_HISTORY = 5  # horizons of history before a forecast
_INK, _OURS, _BASELINE = "#333333", "#1f6fb4", "#b0651a"


def plot_forecast(forecaster: Forecaster, series: Sequence[Any] | None = None) -> Figure:
    """Plot the forecast and its intervals after the end of the history, one subplot per series."""
    table = _columns(forecaster.predict())
    names = [name for name in _series_to_plot(forecaster, series) if name in {*table["unique_id"].tolist()}]
    figure, axes = _subplots(len(names))
    for ax, name in zip(axes, names, strict=True):
        _draw_history(ax, forecaster, name, 0)
        rows = table["unique_id"] == name
        ax.plot(table["ds"][rows], table["throughtime"][rows], color=_OURS, label="throughtime")
        _draw_intervals(ax, table, rows)
        ax.set_title(str(name))
    axes[0].legend(frameon=False)
    return figure


def plot_backtest(forecaster: Forecaster, result: Backtest) -> Figure:
    """Plot forecasts of past windows and seasonal naive over the actual values, one subplot per series."""
    table = _columns(result.forecasts)
    names = _series_to_plot(forecaster, None)
    figure, axes = _subplots(len(names))
    for ax, name in zip(axes, names, strict=True):
        _draw_history(ax, forecaster, name, result.windows)
        of_series = table["unique_id"] == name
        for number, cutoff in enumerate(np.unique(table["cutoff"][of_series])):
            rows = of_series & (table["cutoff"] == cutoff)
            first = number == 0
            ax.plot(table["ds"][rows], table["throughtime"][rows], color=_OURS, label="throughtime" if first else None)
            naive = "seasonal naive" if first else None
            ax.plot(table["ds"][rows], table["seasonal_naive"][rows], color=_BASELINE, lw=0.9, ls="--", label=naive)
            _draw_intervals(ax, table, rows)
        ax.set_title(str(name))
    axes[0].legend(frameon=False)
    figure.suptitle(result.verdict, fontsize="medium")
    return figure


def _columns(frame: Any) -> dict[str, np.ndarray]:
    import narwhals as nw

    table = nw.from_native(frame, eager_only=True)
    return {name: np.array(table[name].to_list()) for name in table.columns}


def _series_to_plot(forecaster: Forecaster, series: Sequence[Any] | None) -> list[Any]:
    if series is None:
        return forecaster.series_[:_MAX_SERIES]
    unknown = [name for name in series if name not in forecaster.series_]
    if unknown:
        raise InputError(f"series: expected names of series that the forecaster knows, got {unknown[0]!r}")
    return list(series)


def _subplots(count: int) -> tuple[Figure, list[Axes]]:
    with requires("forecast", "a picture"):
        import matplotlib.pyplot as plt

    columns = 1 if count == 1 else 2
    rows = -(-count // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(9, 3.2 * rows), squeeze=False, layout="constrained")
    for ax in axes.ravel():
        ax.spines[["top", "right"]].set_visible(False)
    for ax in axes.ravel()[count:]:
        ax.remove()
    return figure, list(axes.ravel()[:count])


def _draw_history(ax: Axes, forecaster: Forecaster, name: Any, windows: int) -> None:
    panel, horizon = forecaster.panel_, forecaster.horizon
    i = panel.ids.index(name)
    steps = min(len(panel[i]), max((_MIN_HISTORY + windows) * horizon, 8 * forecaster.season_))
    stamps = panel.stamps(i, len(panel[i]) - steps, steps)
    ax.plot(stamps, panel[i][-steps:], color=_INK, lw=1.0, label="history")


def _draw_intervals(ax: Axes, table: dict[str, np.ndarray], rows: np.ndarray) -> None:
    levels = sorted(name.rpartition("-")[2] for name in table if name.startswith("throughtime-lo-"))
    for level in levels:
        low, high = (table[f"throughtime-{side}-{level}"][rows] for side in ("lo", "hi"))
        ax.fill_between(table["ds"][rows], low, high, color=_OURS, alpha=0.5 / (1 + len(levels)), lw=0)
