"""What a report is made of, and the series that it shows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.data.series.panel import format_date
from throughtime.tasks.forecasting.evaluation import metrics

if TYPE_CHECKING:
    import polars as pl

    from throughtime.app.tables.table import Table
    from throughtime.tasks.forecasting import Backtest, Forecaster

_SHOWN = 6  # series, where there are many
_LEAST = 60  # steps of history that are always shown


@dataclass(frozen=True)
class Curve:
    """A stretch of forecasts, or of what happened.

    Attributes:
        x: places in time: microseconds since 1970, or whole numbers.
        y: values.
        bounds: of the intervals by level in percent.
    """

    x: np.ndarray
    y: np.ndarray
    bounds: dict[int | float, tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Window:
    """One held-out window: what was forecast, by us and by the season before."""

    ours: Curve
    naive: np.ndarray
    actual: np.ndarray


@dataclass(frozen=True)
class SeriesView:
    """One series for the pictures.

    Attributes:
        name: of the series.
        role: why it is shown, where not all are.
        dated: whether time is counted in dates rather than whole numbers.
        history: its last steps.
        forecast: what follows.
        dates: of the forecast, as text.
        windows: of the backtest.
    """

    name: str
    role: str
    dated: bool
    history: Curve
    forecast: Curve
    dates: list[str]
    windows: list[Window]


@dataclass(frozen=True)
class Run:
    """A finished run of the command line.

    Attributes:
        forecaster: trained.
        backtest: its backtest.
        table: what it learned from.
        settings: by name.
        command: that started it.
    """

    forecaster: Forecaster
    backtest: Backtest
    table: Table
    settings: dict[str, Any]
    command: str

    @cached_property
    def views(self) -> list[SeriesView]:
        """All series if they are few, else some from the best forecast to the worst."""
        forecast = {*self._forecasts["unique_id"]}
        shown = [i for i, name in enumerate(self.forecaster.series_) if name in forecast]
        if len(shown) <= _SHOWN:
            return [self._view(i, "") for i in shown]
        order = [i for i in self._from_best_to_worst() if i in {*shown}] or shown
        places = np.linspace(0, len(order) - 1, _SHOWN).round().astype(int)
        roles = {0: "best forecast in the backtest", len(order) - 1: "worst forecast in the backtest"}
        return [self._view(order[p], roles.get(p, f"rank {p + 1} of {len(order)}")) for p in map(int, places)]

    def _from_best_to_worst(self) -> list[int]:
        frame: pl.DataFrame = self.backtest.forecasts
        places = {name: i for i, name in enumerate(self.forecaster.series_)}
        errors = {}
        for (name,), rows in frame.group_by("unique_id", maintain_order=True):
            y, ours = rows["y"].to_numpy(), rows["throughtime"].to_numpy()
            errors[places[name]] = float(metrics.smape(y[None], ours[None])[0])
        return sorted((i for i in errors if np.isfinite(errors[i])), key=errors.__getitem__)

    def _view(self, i: int, role: str) -> SeriesView:
        panel, count = self.forecaster.panel_, self.forecaster.horizon
        name, values = self.forecaster.series_[i], panel[i]
        first = max(0, len(values) - max(_LEAST, (self.backtest.windows + 3) * count))
        stamps = panel.stamps(i, first, len(values) - first)
        forecast = self._forecasts.filter(self._forecasts["unique_id"] == name)
        future = forecast["ds"].to_numpy()
        past = self.backtest.forecasts.filter(self.backtest.forecasts["unique_id"] == name)
        return SeriesView(
            str(name),
            role,
            stamps.dtype.kind == "M",
            Curve(_places(stamps), values[first:], {}),
            _course(forecast, future),
            [format_date(stamp) for stamp in future],
            [
                Window(_course(rows, rows["ds"].to_numpy()), rows["seasonal_naive"].to_numpy(), rows["y"].to_numpy())
                for _, rows in past.group_by("cutoff", maintain_order=True)
            ],
        )

    @cached_property
    def _forecasts(self) -> pl.DataFrame:
        return self.forecaster.predict()


def _course(rows: pl.DataFrame, stamps: np.ndarray) -> Curve:
    levels = [name.removeprefix("throughtime-lo-") for name in rows.columns if name.startswith("throughtime-lo-")]
    bounds = {
        float(level): (rows[f"throughtime-lo-{level}"].to_numpy(), rows[f"throughtime-hi-{level}"].to_numpy())
        for level in levels
    }
    return Curve(_places(stamps), rows["throughtime"].to_numpy(), bounds)


def _places(stamps: np.ndarray) -> np.ndarray:
    """Time as numbers: microseconds since 1970, or the whole numbers themselves."""
    return stamps.astype("datetime64[us]").astype(float) if stamps.dtype.kind == "M" else stamps.astype(float)
