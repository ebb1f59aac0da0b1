"""The forecaster: a long frame in, forecasts with intervals out."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from throughtime._core.dataclass_json import dataclass_from_json
from throughtime._core.errors import InputError
from throughtime.data.series.covariates import Covariates
from throughtime.data.series.frame_format import FrameFormat
from throughtime.data.series.frames import read_frame, read_future, read_later_frame
from throughtime.data.series.panel_builder import MISSING_OPTIONS
from throughtime.inference.forecasting import saved_state
from throughtime.inference.forecasting.ended_series import apply_ended_policy, ended_notes
from throughtime.inference.forecasting.plan import Plan
from throughtime.inference.forecasting.requests import (
    check_horizon,
    forecast_columns,
    sample_columns,
    sorted_levels,
    warn_of_later_rows,
)
from throughtime.inference.forecasting.totals import total_columns
from throughtime.tasks.base import AbstractEstimator, LearnedState
from throughtime.tasks.forecasting import checks, network_training
from throughtime.tasks.forecasting.calibration.calibration import calibrate
from throughtime.tasks.forecasting.evaluation import backtest
from throughtime.tasks.forecasting.evaluation.duplicate_series import check_duplicate_series
from throughtime.tasks.forecasting.forecast_model import ForecastModel
from throughtime.tasks.forecasting.learned_state import learned_state
from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
from throughtime.tasks.forecasting.network.likelihoods import LIKELIHOODS
from throughtime.tasks.forecasting.network.window_forecast import forecast_graph
from throughtime.tasks.forecasting.presets import Preset
from throughtime.tasks.forecasting.windows import WindowStore, linear_effects
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
    from throughtime.tasks.forecasting.evaluation.backtest import Backtest
    from throughtime.tasks.trainer import Callback

    Level = int | float


class Forecaster(AbstractEstimator):
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
        table_format_: how the command line read the table that was learned from, as JSON; None for frames.

    >>> import throughtime as tt
    >>> forecaster = tt.Forecaster(horizon=11, preset="fast").fit(tt.datasets.load("sunspots"))
    >>> forecaster.predict().shape
    (11, 7)
    """

    task = "forecast"
    network_type = ForecastNetwork
    network_params = ("horizon", "cell", "hidden_size", "decoder", "likelihood", "covariates")
    params_from_json: ClassVar[dict[str, Callable[[Any], Any]]] = {
        "preset": partial(dataclass_from_json, Preset),
        "levels": tuple,
        "covariates": lambda values: Covariates(**values),
    }

    model_: ForecastModel
    panel_: Panel
    kind_: FrameFormat
    freq_: str
    season_: int
    series_: list[Any]
    block_: int
    table_format_: dict[str, Any] | None = None

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
        return self.fit_panel(panel, callbacks, kind_=kind, table_format_=None)

    def update(self, df: IntoDataFrame, *, callbacks: Sequence[Callback] = ()) -> Self:
        """Continue training with more rows, from the fitted weights: a quarter of the work of `fit`.

        Where the rows add a horizon or more, the weight of the network and the width of the intervals are calibrated
        on them again, before it learns from them.

        Args:
            df: as for `fit`; rows that are new or that correct former ones, and series that may be new.
            callbacks: as for `fit`.

        Raises:
            InputError: for data that cannot be used.
            Interrupted: on Ctrl-C; the forecaster is usable.
        """
        self._check_fitted()
        newer, kind = self._read_later_frame(df)
        model, panel = self.model_, self.panel_.merge(newer)
        if len({isinstance(name, str) for name in panel.ids}) > 1:
            raise InputError(
                "df: expected names of new series of the type of those in training: texts or whole numbers"
            )
        places = [self.panel_.ids.index(name) for name in panel.ids if name in self.panel_.ids]
        added = int(np.median(panel.lengths[: len(places)] - self.panel_.lengths[places]))
        store = WindowStore(panel, model.plan, model.network.linear_effects)
        if added >= self.horizon:
            model = replace(model, calibration=calibrate(model.network, store, added, loss=self.loss))
        self._set_model(model, panel, self.history_, kind_=kind)
        updates = -(-self._updates(panel, model.plan) // 4)
        gently = Preset.of(self.preset).learning_rate / 3
        config = network_training.TrainingConfig(updates, gently, seconds=parse_budget(self.budget))
        options = {"loss": self.loss, "callbacks": callbacks, "seed": self.seed()}
        self.history_ = network_training.train_network(model.network, store, config, held_out=None, **options)
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

    def backtest(
        self,
        df: Data | None = None,
        n_windows: int | None = None,
        step_size: int | None = None,
        *,
        refit: bool = False,
        memoryless: bool = True,
        against: Sequence[str] = (),
        workers: str | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Backtest:
        """Forecast windows of the past by a forecaster that has not seen them, compared with the naive forecasts.

        Args:
            df: as for `fit`; the training data if None.
            n_windows: windows; as many as the data allow, at most 5, if None.
            step_size: steps from one window to the next; the horizon if None.
            refit: whether a new forecaster is trained before each window and not only before the first.
            memoryless: whether a feed-forward network of about as many weights is tried too, without any memory.
            against: models of other libraries: 'auto_ets', 'auto_theta', 'auto_arima', 'lightgbm'; extra `baselines`.
            workers: where the windows of `refit` are forecast, as for `tune`.
            callbacks: as for `fit`, of trainings in this process.

        Raises:
            InputError: where the series are too short, or a package for `against` or `workers` is not installed.
        """
        self.check_params()
        if df is None:
            self._check_fitted(unchanged=False)
            panel, kind = self.panel_, self.kind_
        else:
            panel, kind = self._read_training_frame(df)
        options = {"refit": refit, "memoryless": memoryless, "against": against}
        options |= {"workers": workers, "callbacks": callbacks}
        return backtest.run(self, panel, kind, n_windows, step_size, **options)

    def evaluate(self, df: IntoDataFrame, n_windows: int | None = None, step_size: int | None = None) -> Backtest:
        """Score the forecaster as it is on rows after those of the training, compared with the naive forecasts.

        Args:
            df: as for `predict`: later rows of the series, alone or with those of the training, and series that may be
                new. A row that the forecaster has learned from is never scored.
            n_windows: windows, the last ones; as many as the later rows allow if None.
            step_size: steps from one window to the next; the horizon if None.

        Raises:
            InputError: for data that cannot be used, where no series has a horizon of later rows, and for a new series
                that has the values of a learned one on the same dates.
        """
        self._check_fitted()
        newer, kind = self._read_later_frame(df)
        check_duplicate_series(newer, self.panel_)
        panel = self.panel_.merge(newer)
        return backtest.evaluate(self, panel, kind, n_windows, step_size)

    def score(self, df: IntoDataFrame, y: None = None) -> float:
        """Return minus the sMAPE in percent on rows after those learned from: higher is better, from -200 to 0.

        The mean over series and over the windows of `evaluate`; it is what scikit-learn's searches and
        `cross_val_score` compare. Split by time for them, with `TimeSeriesSplit` on a frame sorted by ds. sMAPE is
        finite for every series; where MASE suits better, pass `scoring=` a function of the forecaster and the frame.

        Args:
            df: as for `evaluate`.
            y: None, as scikit-learn passes it.

        Raises:
            InputError: for data that cannot be used, where no series has a horizon of later rows, and for a series that
                is new although its dates are among those learned from: a split of rows that took it apart.
        """
        self._check_fitted()
        checks.check_no_target(y)
        checks.check_later_rows(self.panel_, self._read_later_frame(df)[0], int(self.horizon))
        return -self.evaluate(df).scores["throughtime"]["smape"]

    def cross_validation(
        self,
        df: IntoDataFrame,
        n_windows: int = 5,
        step_size: int | None = None,
        *,
        refit: bool = False,
        against: Sequence[str] = (),
        workers: str | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> Any:
        """Return the forecasts of `backtest`: unique_id, ds, cutoff, y, throughtime, its intervals, and `against`."""
        import narwhals as nw

        options = {"refit": refit, "memoryless": False, "against": against}
        options |= {"workers": workers, "callbacks": callbacks}
        frame = nw.from_native(self.backtest(df, n_windows, step_size, **options).forecasts, eager_only=True)
        ours = [column for column in frame.columns if column.startswith("throughtime")]
        columns = ["unique_id", "ds", "cutoff", "y", *ours, *dict.fromkeys(against)]
        return frame.select(columns).to_native()

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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # but a frame
        tags.input_tags.allow_nan = True
        return tags

    def fit_panel(self, panel: Panel, callbacks: Sequence[Callback] = (), **learned: Any) -> Self:
        """Learn from a panel: with its end held out, calibrate on that, then continue with all of it.

        Args:
            panel: the series.
            callbacks: as for `fit`.
            learned: attributes to set with those of the panel.

        Raises:
            InputError: for data that cannot be used.
            Interrupted: as for `fit`.
        """
        if panel.lengths.max() < 2:
            raise InputError(f"data: expected series of 2 values or more, got {int(panel.lengths.max())}")
        if self.likelihood == "negative_binomial":
            checks.check_counts(panel)
        started, seconds, seed = time.monotonic(), parse_budget(self.budget), self.seed()
        season, lookback = (None if steps is None else int(steps) for steps in (self.season, self.lookback))
        plan = Plan.of(panel, int(self.horizon), season=season, lookback=lookback)
        held_out = plan.held_out(panel)
        network = self._new_network(plan, seed, **self._network_options(panel))
        past = panel.drop_last(held_out) if held_out else panel
        # Counts stay whole numbers: no effect is subtracted from them.
        has_linear_effects = network.covariate_effects is not None and self.likelihood != "negative_binomial"
        if has_linear_effects:
            network.set_linear_effects(linear_effects(past, plan))
        whole_store = WindowStore(panel, plan, network.linear_effects)
        past_store = WindowStore(past, plan, network.linear_effects) if held_out else whole_store
        learning_rate = Preset.of(self.preset).learning_rate
        config = network_training.TrainingConfig(self._updates(panel, plan), learning_rate, seconds=seconds / 2)
        options = {"loss": self.loss, "callbacks": callbacks, "seed": seed}
        network_training.init_from_experts(network, past_store, loss=self.loss, seed=seed)
        validation = whole_store.held_out(held_out, 64)

        def finish(history: training.History) -> None:
            model = ForecastModel(plan, network, calibrate(network, whole_store, held_out, loss=self.loss))
            self._set_model(model, panel, history, **learned)

        self._fit(
            lambda: network_training.train_network(network, past_store, config, held_out=validation, **options), finish
        )
        seconds_left = seconds - (time.monotonic() - started)
        if held_out and seconds_left > 0:
            if has_linear_effects:
                network.set_linear_effects(linear_effects(panel, plan))
                whole_store = WindowStore(panel, plan, network.linear_effects)
            config = replace(config, seconds=seconds_left)
            network_training.train_network(network, whole_store, config, held_out=None, **options)
        return self

    def _set_model(self, model: ForecastModel, panel: Panel, history: training.History, **learned: Any) -> None:
        notes = [*panel.notes, *ended_notes(panel, self.horizon, self.ended), *model.decision_notes(panel)]
        self._set_fitted(model.network, history, notes, **_panel_attributes(model, panel), **learned)

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
        if not any(name.startswith("pooled.") for name in saved.tensors):
            raise ValueError("it was saved by a former version of throughtime; fit the forecaster again")
        if self.missing not in MISSING_OPTIONS:
            raise ValueError(f"missing: expected one of {', '.join(MISSING_OPTIONS)}")
        table_format = saved.config["table_format"]
        if not isinstance(table_format, dict | None):
            raise TypeError(f"the table format is not an object but {type(table_format).__name__}")
        panel = saved_state.restore_panel(saved.config, saved.tensors)
        plan = saved_state.restore_plan(saved.config, self.horizon)
        network = self._restore_network(saved, plan, **self._network_options(panel))
        calibration = saved_state.restore_calibration(saved.config, saved.tensors, plan)
        model = ForecastModel(plan, network, calibration)
        kind = dataclass_from_json(FrameFormat, saved.config["kind"])
        return network, {**_panel_attributes(model, panel), "kind_": kind, "table_format_": table_format}

    def _updates(self, panel: Panel, plan: Plan) -> int:
        return Preset.of(self.preset).updates(float(panel.lengths.sum()) / plan.lookback)

    def _forecast_panel(
        self, df: IntoDataFrame | None, future: IntoDataFrame | None, count: int
    ) -> tuple[Panel, FrameFormat]:
        """Return what `count` steps are forecast from."""
        panel, kind = (self.panel_, self.kind_) if df is None else self._read_later_frame(df)
        if future is not None:
            panel = read_future(future, panel, self.kind_, supersedes=df is None)
        if df is not None:
            lookback = self.model_.plan.lookback
            warn_of_later_rows(panel, self.panel_, count, lookback=lookback, ended=self.ended)
        panel.check_known_future(count)
        return apply_ended_policy(panel, count, self.ended), kind

    def _read_training_frame(self, df: Data) -> tuple[Panel, FrameFormat]:
        return read_frame(df, freq=self.freq, missing=self.missing, covariates=self.covariates)

    def _read_later_frame(self, df: Data) -> tuple[Panel, FrameFormat]:
        """Read rows that follow the training."""
        return read_later_frame(df, self.panel_, self.kind_, freq=self.freq, missing=self.missing)

    def _check_task_params(self) -> None:
        checks.check_settings(self)


def _panel_attributes(model: ForecastModel, panel: Panel) -> dict[str, Any]:
    """Return the attributes of a fitted forecaster that follow from its model and its series."""
    return {
        "model_": model,
        "panel_": panel,
        "freq_": panel.frequency.name,
        "season_": model.plan.season,
        "series_": list(panel.ids),
        "block_": model.plan.block,
    }
