"""A trained forecaster around its network: columns in, forecasts as columns out, without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from throughtime._core.dataclass_json import dataclass_from_json
from throughtime._core.errors import InputError
from throughtime._core.param_checks import check_choice, check_seed
from throughtime.data.series.column_table import ArrayTable
from throughtime.data.series.frame_format import FrameFormat
from throughtime.data.series.long_tables import check_columns, future_columns, read_future_table, read_later_table
from throughtime.data.series.panel_builder import MISSING_OPTIONS
from throughtime.inference.forecasting import saved_state
from throughtime.inference.forecasting.ended_series import ENDED_POLICIES, apply_ended_policy
from throughtime.inference.forecasting.error_distributions import ERROR_DISTRIBUTIONS
from throughtime.inference.forecasting.requests import (
    check_horizon,
    forecast_columns,
    sample_columns,
    sorted_levels,
    warn_of_later_rows,
)
from throughtime.inference.forecasting.series_forecasts import SeriesForecaster
from throughtime.inference.forecasting.window_forecasts import WindowForecasts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

    from throughtime.data.series.panel import Panel
    from throughtime.runtime.model_directory import ModelDirectory

    Columns = Mapping[str, Any]
    """Arrays or lists by the name of the column."""


@dataclass(frozen=True)
class ForecasterModel:
    """A trained forecaster: rows in, forecasts and intervals in the units of the series out.

    Attributes:
        forecaster: of series.
        panel: series of the training.
        format: of the dates of the training.
        settings: of the estimator.
    """

    forecaster: SeriesForecaster
    panel: Panel
    format: FrameFormat
    settings: dict[str, Any]

    @classmethod
    def from_directory(cls, model: ModelDirectory) -> ForecasterModel:
        """Build a forecaster from what `Forecaster.save` wrote.

        Raises:
            ValueError: for what does not fit together.
        """
        config, settings = model.config, model.config["settings"]
        check_horizon(settings["horizon"])
        sorted_levels(settings["levels"])
        check_choice("ended", settings["ended"], ENDED_POLICIES)
        check_choice("missing", settings["missing"], MISSING_OPTIONS)
        panel = saved_state.restore_panel(config, model.arrays)
        plan = saved_state.restore_plan(config, settings["horizon"])
        calibration = saved_state.restore_calibration(config, model.arrays, plan)
        effects = saved_state.restore_linear_effects(model.arrays, panel.exogenous.all_features)
        graph = model.graph("network")

        def call_network(x: np.ndarray, pooled_scale: np.ndarray, weight: np.ndarray) -> WindowForecasts:
            outputs = graph(x=x, pooled_scale=pooled_scale, weight=weight)
            forecasts = WindowForecasts(outputs["z"], outputs["params"], outputs["observed"])
            shapes = forecasts.z.shape, forecasts.observed.shape, forecasts.params.shape[:1]
            if shapes != ((len(x), plan.horizon), (len(x),), (len(x),)):
                raise InputError(
                    f"the network does not fit: expected forecasts of {plan.horizon} steps, got {shapes[0]}"
                )
            return forecasts

        errors = ERROR_DISTRIBUTIONS[settings["likelihood"]]
        forecaster = SeriesForecaster(plan, calibration, errors, effects, call_network)
        forecaster.forecast(panel.select([0]), [80])
        return cls(forecaster, panel, dataclass_from_json(FrameFormat, config["kind"]), settings)

    def predict(
        self,
        columns: Columns | None = None,
        *,
        future: Columns | None = None,
        level: Sequence[int | float] | None = None,
        horizon: int | None = None,
    ) -> dict[str, np.ndarray]:
        """Forecast what follows the training data, or what follows the rows of `columns`, whose series may be new.

        Args:
            columns: arrays or lists of one length by name: unique_id (may be absent for a single series), ds, y and
                covariates. Dates are datetime64, `datetime` objects or texts; where the training had a time zone, dates
                without one are in it.
            future: unique_id, ds and the covariates that are known in advance, for the steps to forecast.
            level: of the intervals, in percent; those of the estimator if None.
            horizon: steps; those of the training if None. Beyond them, forecasts are made from forecasts.

        Returns:
            Columns unique_id, ds, throughtime, throughtime-lo-80, throughtime-hi-80, … as arrays.

        Raises:
            InputError: for data that cannot be used, and where covariates of the steps to forecast are missing.
        """
        count = self.forecaster.plan.horizon if horizon is None else horizon
        check_horizon(count)
        panel, table_format = self._panel_to_forecast(columns, future, count)
        levels = sorted_levels(self.settings["levels"] if level is None else level)
        return table_format.frame(forecast_columns(self.forecaster, panel, levels, count))

    def sample(
        self,
        columns: Columns | None = None,
        *,
        future: Columns | None = None,
        paths: int = 100,
        random_state: int = 0,
    ) -> dict[str, np.ndarray]:
        """Draw sample paths of the series over the horizon of the training.

        Args:
            columns: as for `predict`.
            future: as for `predict`.
            paths: sample paths for each series.
            random_state: makes them reproducible.

        Returns:
            Columns unique_id, ds, path (from 0 on) and throughtime, as arrays.

        Raises:
            InputError: as `predict`.
        """
        check_seed(random_state)
        panel, table_format = self._panel_to_forecast(columns, future, self.forecaster.plan.horizon)
        return table_format.frame(sample_columns(self.forecaster, panel, paths, random_state))

    def _panel_to_forecast(
        self, columns: Columns | None, future: Columns | None, count: int
    ) -> tuple[Panel, FrameFormat]:
        panel, table_format = self.panel, replace(self.format, backend="arrays")
        ended, zone = self.settings["ended"], self.format.timezone if self.format.in_utc else ""
        if columns is not None:
            table = ArrayTable(columns, zone)
            required = ["ds", "y", *(feature.name for feature in panel.exogenous.features)]
            check_columns(table.columns, required, f"columns unique_id, {', '.join(required)}")
            options = {"freq": self.settings["freq"], "missing": self.settings["missing"]}
            panel, table_format = read_later_table(table, self.panel, self.format, **options)
        if future is not None:
            table, required = ArrayTable(future, zone, title="future"), ["ds", *future_columns(panel)]
            check_columns(table.columns, required, f"columns unique_id, {', '.join(required)}", title="future")
            panel = read_future_table(table, panel, self.format, supersedes=columns is None)
        if columns is not None:
            warn_of_later_rows(panel, self.panel, count, lookback=self.forecaster.plan.lookback, ended=ended)
        panel.check_known_future(count)
        return apply_ended_policy(panel, count, ended), table_format
