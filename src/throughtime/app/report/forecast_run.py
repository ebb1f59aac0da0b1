"""What the report of a forecast is made of, and the series that it shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.data.series.panel import format_date
from throughtime.tasks.forecasting.evaluation.verdict import OURS, delivered_share_sentence

if TYPE_CHECKING:
    import polars as pl

    from throughtime.app.tables.table import Table
    from throughtime.tasks.forecasting import Backtest, Forecaster

_MAX_SERIES = 6
_MIN_HISTORY = 60  # steps


@dataclass(frozen=True)
class Curve:
    """Forecasts or actual values over time.

    Attributes:
        x: microseconds since 1970, or whole numbers.
        y: values.
        bounds: of the intervals, by level in percent.
    """

    x: np.ndarray
    y: np.ndarray
    bounds: dict[int | float, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class BacktestWindow:
    """A held-out window: the forecasts of the network and of the seasonal naive method, and the actual values."""

    network: Curve
    naive: np.ndarray
    actual: np.ndarray


@dataclass(frozen=True)
class SeriesView:
    """A series of the report.

    Attributes:
        name: of the series.
        role: why it is shown, if not all are.
        dated: whether time is counted in dates rather than whole numbers.
        history: its last steps.
        forecast: the steps after them.
        dates: of the forecast, as text.
        windows: of the backtest.
    """

    name: str
    role: str
    dated: bool
    history: Curve
    forecast: Curve
    dates: list[str]
    windows: list[BacktestWindow]


@dataclass(frozen=True)
class ForecastRun:
    """A finished run of `throughtime forecast` or `tune`.

    Attributes:
        forecaster: fitted.
        backtest: its backtest.
        table: training data.
        settings: by name.
        command: command line.
    """

    forecaster: Forecaster
    backtest: Backtest
    table: Table
    settings: dict[str, Any]
    command: str

    @property
    def verdict(self) -> str:
        """The verdict of the backtest, and the network's share of the forecast that is delivered."""
        calibration = self.forecaster.model_.calibration
        return self.backtest.verdict + delivered_share_sentence(calibration.weight, calibration.expert)

    @cached_property
    def views(self) -> list[SeriesView]:
        """All series if they are few, else some from the best forecast to the worst."""
        forecast = {*self._forecasts["unique_id"]}
        indices = [i for i, name in enumerate(self.forecaster.series_) if name in forecast]
        if len(indices) <= _MAX_SERIES:
            return [self._view(i, "") for i in indices]
        order = [i for i in self._rank_series() if i in {*indices}] or indices
        ranks = np.linspace(0, len(order) - 1, _MAX_SERIES).round().astype(int)
        roles = {0: "best forecast in the backtest", len(order) - 1: "worst forecast in the backtest"}
        return [
            self._view(order[rank], roles.get(rank, f"rank {rank + 1} of {len(order)}")) for rank in map(int, ranks)
        ]

    def _rank_series(self) -> list[int]:
        """Return the series from the smallest headline score of the backtest to the largest."""
        index = {name: i for i, name in enumerate(self.forecaster.series_)}
        scores = {index[name]: score[OURS][self.backtest.headline] for name, score in self.backtest.by_series}
        return sorted((i for i in scores if np.isfinite(scores[i])), key=scores.__getitem__)

    def _view(self, i: int, role: str) -> SeriesView:
        panel, horizon = self.forecaster.panel_, self.forecaster.horizon
        name, values = self.forecaster.series_[i], panel[i]
        first = max(0, len(values) - max(_MIN_HISTORY, (self.backtest.windows + 3) * horizon))
        stamps = panel.stamps(i, first, len(values) - first)
        forecast = self._forecasts.filter(self._forecasts["unique_id"] == name)
        future = forecast["ds"].to_numpy()
        past = self.backtest.forecasts.filter(self.backtest.forecasts["unique_id"] == name)
        return SeriesView(
            str(name),
            role,
            stamps.dtype.kind == "M",
            Curve(_to_numbers(stamps), values[first:], {}),
            _forecast_curve(forecast),
            [format_date(stamp) for stamp in future],
            [
                BacktestWindow(_forecast_curve(rows), rows["seasonal_naive"].to_numpy(), rows["y"].to_numpy())
                for _, rows in past.group_by("cutoff", maintain_order=True)
            ],
        )

    @cached_property
    def _forecasts(self) -> pl.DataFrame:
        return self.forecaster.predict()


def _forecast_curve(rows: pl.DataFrame) -> Curve:
    levels = [name.removeprefix("throughtime-lo-") for name in rows.columns if name.startswith("throughtime-lo-")]
    bounds = {
        float(level): (rows[f"throughtime-lo-{level}"].to_numpy(), rows[f"throughtime-hi-{level}"].to_numpy())
        for level in levels
    }
    return Curve(_to_numbers(rows["ds"].to_numpy()), rows["throughtime"].to_numpy(), bounds)


def _to_numbers(stamps: np.ndarray) -> np.ndarray:
    """Return microseconds since 1970, or the whole numbers themselves."""
    return stamps.astype("datetime64[us]").astype(float) if stamps.dtype.kind == "M" else stamps.astype(float)
