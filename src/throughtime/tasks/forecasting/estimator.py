"""The forecaster: a long frame in, forecasts with intervals out."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

from throughtime._core.dataclass_json import dataclass_from_json
from throughtime.data.series.covariates import Covariates
from throughtime.data.series.frame_format import FrameFormat
from throughtime.inference.forecasting import forecast_log, saved_state
from throughtime.inference.forecasting.ended_series import ended_notes
from throughtime.inference.forecasting.logged_frames import logged_forecast
from throughtime.inference.forecasting.plan import Plan
from throughtime.inference.forecasting.requests import (
    check_horizon,
    forecast_columns,
    sample_columns,
    sorted_levels,
)
from throughtime.inference.forecasting.totals import total_columns
from throughtime.tasks.forecasting import checks
from throughtime.tasks.forecasting.base import AbstractForecaster
from throughtime.tasks.forecasting.fitting import FitOptions, TwoStageFit, UpdateFit
from throughtime.tasks.forecasting.forecast_model import ForecastModel
from throughtime.tasks.forecasting.learned_state import check_restorable, fitted_attributes, learned_state
from throughtime.tasks.forecasting.monitoring.monitor import monitor
from throughtime.tasks.forecasting.monitoring.row_changes import RowChanges
from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
from throughtime.tasks.forecasting.network.likelihoods import LIKELIHOODS
from throughtime.tasks.forecasting.network.window_forecast import forecast_graph
from throughtime.tasks.forecasting.presets import Preset
from throughtime.tasks.schedules import parse_budget

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

    from matplotlib.figure import Figure
    from narwhals.typing import IntoDataFrame

    from throughtime import training
    from throughtime.data.series.frames import Data
    from throughtime.data.series.panel import Panel
    from throughtime.data.series.parquet import ParquetSeries
    from throughtime.io.saved_model import SavedModel
    from throughtime.tasks.base import LearnedState
    from throughtime.tasks.forecasting.evaluation.backtest import Backtest
    from throughtime.tasks.forecasting.monitoring.monitor import MonitorResult
    from throughtime.tasks.trainer import Callback

    Level = int | float


class Forecaster(AbstractForecaster):
    """Forecast many series with one recurrent network that starts as a mixture of naive forecasts.

    One recurrent step reads one season. The end of the history is held out to decide how far the network is trusted
    against the best naive forecast and how wide the intervals are; then it learns from that end too.

    Args:
        horizon: F, steps to forecast, in steps of the series' frequency.
        cell: a name in `throughtime.nn.LAYERS`, such as 'gru' or 'lstm'.
        hidden_size: H.
        decoder: 'direct' forecasts all steps at once, 'autoregressive' one after the other, each fed back into the
            next.
        lookback: steps that a forecast reads; decided from the data if None.
        season: steps of the season, 1 for none; found in the data if None.
        freq: such as 'h', '15min', 'MS' or 'monthly'; inferred if None.
        loss: 'owa' (sMAPE and MASE alike) or 'mase'.
        likelihood: 'normal', 'student_t', or 'negative_binomial' for counts: the network learns by it, and intervals
            start from it; with None they come from the errors on held-out windows alone.
        preset: 'fast', 'balanced' or 'best', or a `Preset` of your own.
        levels: of the intervals, in percent.
        missing: 'mask' leaves missing values to the network, 'ffill' repeats the last value, 'error' refuses them.
        covariates: other columns that help to forecast y, and holidays.
        budget: of time for learning: seconds, or such as '5m'; None for as long as it takes.
        ended: where the forecast of a series begins whose last value lies a horizon or more before that of the others:
            'own', at the end of its own rows; 'common', at the last date of all; 'skip', it is not forecast.
        random_state: makes all of it reproducible.

    Attributes:
        freq_: the frequency's name.
        season_: steps of the season, 1 for none.
        series_: what the series are called.
        notes_: what was found in the data and decided about it, in plain sentences.
        history_: of the training.
        network_: the torch module.
        update_: what the last `update` added; None before the first.
        forecast_log_: forecasts for `monitor`, as lines of JSON.
        table_format_: how the command line read the table that was learned from, as JSON; None for frames.

    >>> import throughtime as tt
    >>> forecaster = tt.Forecaster(horizon=11, preset="fast").fit(tt.datasets.load("sunspots"))
    >>> forecaster.predict().shape
    (11, 7)
    """

    network_type = ForecastNetwork
    network_params = ("horizon", "cell", "hidden_size", "decoder", "likelihood", "covariates")
    params_from_json: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "preset": partial(dataclass_from_json, Preset),
        "levels": tuple,
        "covariates": lambda values: Covariates(**values),
    }

    freq_: str
    season_: int
    series_: list[Any]
    block_: int
    table_format_: dict[str, Any] | None = None
    update_: RowChanges | None = None

    def __init__(
        self,
        horizon: int,
        *,
        cell: str = "gru",
        hidden_size: int = 64,
        decoder: str = "direct",
        lookback: int | None = None,
        season: int | None = None,
        freq: str | None = None,
        loss: str = "owa",
        likelihood: str | None = None,
        preset: str | Preset = "balanced",
        levels: Sequence[Level] = (80, 95),
        missing: str = "mask",
        covariates: Covariates | None = None,
        budget: float | str | None = None,
        ended: str = "own",
        random_state: int = 0,
    ) -> None:
        self.horizon = horizon
        self.cell = cell
        self.hidden_size = hidden_size
        self.decoder = decoder
        self.lookback = lookback
        self.season = season
        self.freq = freq
        self.loss = loss
        self.likelihood = likelihood
        self.preset = preset
        self.levels = levels
        self.missing = missing
        self.covariates = covariates
        self.budget = budget
        self.ended = ended
        self.random_state = random_state

    def fit(self, df: Data, y: None = None, *, callbacks: Sequence[Callback] = ()) -> Self:
        """Learn from a long frame with columns unique_id (may be absent for a single series), ds, y and covariates.

        Of `ParquetSeries` it learns from the sample.
        Rows after the last y of all series are rows to be forecast: they hold covariates that are known in advance.

        Args:
            df: the frame, or the files.
            y: None, as scikit-learn's `Pipeline` and searches pass it: the target is the column y of the frame.
            callbacks: are called with the progress.

        Raises:
            InputError: for settings or data that cannot be used.
            Interrupted: on Ctrl-C; the forecaster is usable and holds the best so far.
        """
        self.check_params()
        checks.check_no_target(y)
        panel, kind = self._read_training_frame(df)
        return self.fit_panel(panel, callbacks, kind_=kind, table_format_=None, forecast_log_=b"", update_=None)

    def update(self, df: IntoDataFrame, *, callbacks: Sequence[Callback] = ()) -> Self:
        """Continue training with more rows, from the fitted weights: a quarter of the work of `fit`.

        Where the rows add a horizon or more, the weight of the network and the width of the intervals are calibrated
        on them again, before it learns from them. Where the rows hold nothing new, nothing changes. `update_` says
        what was new.

        Args:
            df: as for `fit`; rows that are new or that correct former ones, and series that may be new.
            callbacks: as for `fit`.

        Raises:
            InputError: for data that cannot be used, and for rows of which most contradict those of the training.
            Interrupted: on Ctrl-C; the forecaster is usable.
        """
        self._check_fitted()
        newer, kind = self._read_later_frame(df)
        panel = self.panel_.merge(newer)
        checks.check_id_types(panel)
        changes = RowChanges.of(self.panel_, newer, panel)
        changes.check()
        self.update_ = changes
        if not changes:
            return self
        fit = UpdateFit(self.model_, self.panel_, panel, self._fit_options(callbacks))
        self._set_model(fit.calibrate(), panel, self.history_, kind_=kind)
        self.forecast_log_ = forecast_log.append(self.forecast_log_, forecast_log.update_line(panel.last_stamp))
        self.history_ = fit.train()
        return self

    def predict(
        self,
        df: IntoDataFrame | None = None,
        *,
        future: IntoDataFrame | None = None,
        level: Sequence[Level] | None = None,
        horizon: int | None = None,
    ) -> Any:
        """Forecast what follows the training data, or what follows `df`, whose series may be new.

        Args:
            df: as for `fit`.
            future: unique_id, ds and the covariates that are known in advance, for the steps to forecast; not needed
                where the rows of `df` hold them.
            level: of the intervals, in percent; those of `levels` if None.
            horizon: steps; those of the training if None. Beyond them, forecasts are made from forecasts.

        Returns:
            A frame of the kind that was given: unique_id, ds, throughtime, throughtime-lo-80, throughtime-hi-80, …

        Raises:
            InputError: for data that cannot be used, and where covariates of the steps to forecast are missing.
        """
        self._check_fitted()
        count = self.horizon if horizon is None else horizon
        check_horizon(count)
        panel, kind = self._forecast_panel(df, future, count)
        levels = sorted_levels(self.levels if level is None else level)
        return kind.frame(forecast_columns(self.model_.series_forecaster(), panel, levels, count))

    def log_forecast(self, forecast: IntoDataFrame) -> bytes:
        """Add a forecast that `predict` returned to the log, for `monitor`.

        The commands do so whenever they forecast, and keep the log in the model directory; `save` writes it too.

        Args:
            forecast: with the interval of 80 %.

        Returns:
            The line of the log.

        Raises:
            InputError: for another frame.
        """
        self._check_fitted()
        line = logged_forecast(forecast, self.panel_, self.kind_, self.freq).to_line()
        self.forecast_log_ = forecast_log.append(self.forecast_log_, line)
        return line

    def monitor(
        self,
        df: IntoDataFrame,
        *,
        forecasts: Sequence[IntoDataFrame] | None = None,
        false_alarm_rate: float = 0.01,
    ) -> MonitorResult:
        """Compare forecasts with what came, and test whether they are worse than those on held-out windows.

        Every value counts once, in the last forecast before it. Rows of the training count too, so the rows since the
        last update are enough.

        Args:
            df: as for `evaluate`.
            forecasts: frames that `predict` returned, in order; those of the log if None.
            false_alarm_rate: probability of a false alarm within 52 forecasts, at most.

        Raises:
            InputError: for data that cannot be used, and where there is no forecast.
        """
        self._check_fitted()
        newer, kind = self._read_later_frame(df)
        log = self.forecast_log_
        if forecasts is not None:
            log = b"".join(logged_forecast(f, self.panel_, self.kind_, self.freq).to_line() for f in forecasts)
        held_out = self.model_.calibration.held_out
        return monitor(log, held_out, self.panel_.merge(newer), self.panel_, kind, false_alarm_rate)

    def predict_parquet(
        self,
        source: ParquetSeries,
        out: str | os.PathLike[str],
        *,
        level: Sequence[Level] | None = None,
        horizon: int | None = None,
        overwrite: bool = False,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> int:
        """Forecast all series of Parquet files into one, a part after the other: there may be more than memory holds.

        Args:
            source: the files; columns known in advance are read from the rows with an empty target.
            out: the file to write.
            level: as for `predict`.
            horizon: as for `predict`.
            overwrite: whether a file of that name may be replaced.
            on_progress: called after each part with the number of series that were forecast by then.

        Returns:
            How many series were forecast.

        Raises:
            InputError: for series that cannot be forecast, by their file, and for a file that exists or cannot be
                written.
        """
        from throughtime.tasks.forecasting.parquet_forecasts import predict_parquet

        self._check_fitted()
        options = {"level": level, "horizon": horizon}
        return predict_parquet(self, source, out, options=options, overwrite=overwrite, on_progress=on_progress)

    def sample(
        self,
        df: IntoDataFrame | None = None,
        *,
        future: IntoDataFrame | None = None,
        paths: int = 100,
        random_state: int = 0,
    ) -> Any:
        """Draw sample paths of the series, for what depends on several steps at once, such as their sum.

        Args:
            df: as for `predict`.
            future: as for `predict`.
            paths: sample paths for each series.
            random_state: makes them reproducible.

        Returns:
            A frame of the kind that was given: unique_id, ds, path (from 0 on), throughtime.
        """
        self._check_fitted()
        panel, kind = self._forecast_panel(df, future, self.horizon)
        return kind.frame(sample_columns(self.model_.series_forecaster(), panel, paths, random_state))

    def totals(
        self,
        df: IntoDataFrame | None = None,
        *,
        future: IntoDataFrame | None = None,
        groups: Mapping[str, Mapping[Any, Any]] | None = None,
        level: Sequence[Level] | None = None,
        paths: int = 1_000,
        random_state: int = 0,
    ) -> Any:
        """Forecast totals: of each series over the horizon, and of groups and all series on each date and over it.

        Args:
            df: as for `predict`.
            future: as for `predict`.
            groups: by name of a grouping, the group of each series; series without one are left out of it.
            level: of the intervals, in percent; those of `levels` if None.
            paths: sample paths that the intervals come from.
            random_state: makes them reproducible.

        Returns:
            A frame of the kind that was given: total ('series', the name of a grouping, or 'all'), name, start, end,
            throughtime, throughtime-lo-80, …
        """
        self._check_fitted()
        panel, kind = self._forecast_panel(df, future, self.horizon)
        members = {name: [str(group.get(i, "")) for i in panel.ids] for name, group in (groups or {}).items()}
        options = {"levels": sorted_levels(self.levels if level is None else level), "paths": paths}
        groupings = {**members, "all": ["all"] * len(panel)}
        return kind.frame(
            total_columns(self.model_.series_forecaster(), panel, groupings, **options, seed=random_state)
        )

    def explain(self, df: IntoDataFrame | None = None) -> training.Diagnosis:
        """Measure how far back gradients reach, on the training data or on `df`, in steps of `block_` values.

        Raises:
            InputError: for data that cannot be used.
        """
        from throughtime.tasks.forecasting.diagnosis import explain

        self._check_fitted()
        panel = self.panel_ if df is None else self._read_later_frame(df)[0]
        return explain(self.model_, panel, loss=self.loss, history=self.history_)

    def plot(self, *, series: Sequence[Any] | None = None) -> Figure:
        """Plot the forecast with its intervals after the end of the history, for some series."""
        from throughtime.tasks.forecasting.plots import plot_forecast

        self._check_fitted()
        return plot_forecast(self, series)

    def plot_backtest(self, result: Backtest | None = None) -> Figure:
        """Forecasts of past windows over what happened; a new backtest is made if none is given."""
        from throughtime.tasks.forecasting.plots import plot_backtest

        self._check_fitted()
        return plot_backtest(self, self.backtest() if result is None else result)

    def fit_panel(self, panel: Panel, callbacks: Sequence[Callback] = (), **learned: Any) -> Self:
        """Learn from a panel: with its end held out, calibrate on that, then continue with all of it."""
        checks.check_values(panel, self.likelihood)
        options = self._fit_options(callbacks)
        season, lookback = (None if steps is None else int(steps) for steps in (self.season, self.lookback))
        plan = Plan.of(panel, int(self.horizon), season=season, lookback=lookback)
        network = self._new_network(plan, options.seed, **self._network_options(panel))
        # Counts stay whole numbers: no effect is subtracted from them.
        has_linear_effects = network.covariate_effects is not None and self.likelihood != "negative_binomial"
        fit = TwoStageFit(network, panel, options, has_linear_effects=has_linear_effects)
        self._fit(fit.train_on_past, lambda history: self._set_model(fit.calibrate(), panel, history, **learned))
        fit.train_on_all()
        return self

    def _fit_options(self, callbacks: Sequence[Callback]) -> FitOptions:
        return FitOptions(Preset.of(self.preset), self.loss, parse_budget(self.budget), callbacks, self.seed())

    def _set_model(self, model: ForecastModel, panel: Panel, history: training.History, **learned: Any) -> None:
        notes = [*panel.notes, *ended_notes(panel, self.horizon, self.ended), *model.decision_notes(panel)]
        self._set_fitted(model.network, history, notes, **fitted_attributes(panel, model), **learned)

    def _network_options(self, panel: Panel) -> dict[str, Any]:
        return {
            "cell": self.cell,
            "hidden_size": int(self.hidden_size),
            "decoder": self.decoder,
            "likelihood": LIKELIHOODS[self.likelihood],
            "dropout": Preset.of(self.preset).dropout,
            "features": panel.exogenous.all_features,
        }

    def _learned_state(self) -> LearnedState:
        state = learned_state(self.panel_, self.model_)
        graph = forecast_graph(self.model_.network, self.model_.calibration.expert)
        config = {"kind": asdict(self.kind_), "table_format": self.table_format_, "graphs": {"network": graph}}
        return replace(state, config=state.config | config)

    def _restore(self, saved: SavedModel) -> tuple[ForecastNetwork, dict[str, Any]]:
        check_restorable(saved, self.missing)
        panel = saved_state.restore_panel(saved.config, saved.tensors)
        plan = saved_state.restore_plan(saved.config, self.horizon)
        network = self._restore_network(saved, plan, **self._network_options(panel))
        calibration = saved_state.restore_calibration(saved.config, saved.tensors, plan)
        learned = fitted_attributes(panel, ForecastModel(plan, network, calibration))
        learned["kind_"] = dataclass_from_json(FrameFormat, saved.config["kind"])
        return network, learned | {"table_format_": saved.config["table_format"], "forecast_log_": saved.forecasts}

    def _check_task_params(self) -> None:
        checks.check_settings(self)
