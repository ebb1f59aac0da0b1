"""What a forecaster reads, and its scores over windows of the past."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Self

from throughtime.data.series.frames import read_frame, read_future, read_later_frame
from throughtime.inference.forecasting.ended_series import apply_ended_policy
from throughtime.inference.forecasting.requests import warn_of_later_rows
from throughtime.tasks.base import AbstractEstimator
from throughtime.tasks.forecasting import checks
from throughtime.tasks.forecasting.evaluation import backtest
from throughtime.tasks.forecasting.evaluation.duplicate_series import check_duplicate_series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from narwhals.typing import IntoDataFrame

    from throughtime.data.series.covariates import Covariates
    from throughtime.data.series.frame_format import FrameFormat
    from throughtime.data.series.frames import Data
    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting.evaluation.backtest import Backtest
    from throughtime.tasks.forecasting.forecast_model import ForecastModel
    from throughtime.tasks.trainer import Callback


class AbstractForecaster(AbstractEstimator):
    """A forecaster that learns from a panel, whatever it learns, with its scores over past windows."""

    task = "forecast"

    horizon: int
    freq: str | None
    levels: Sequence[int | float]
    missing: str
    ended: str
    covariates: Covariates | None

    model_: ForecastModel
    panel_: Panel
    kind_: FrameFormat

    @abstractmethod
    def fit_panel(self, panel: Panel, callbacks: Sequence[Callback] = (), **learned: Any) -> Self:
        """Learn from a panel.

        Args:
            panel: the series.
            callbacks: are called with the progress.
            learned: attributes to set with those of the panel.

        Raises:
            InputError: for data that cannot be used.
            Interrupted: on Ctrl-C; the forecaster is usable and holds the best so far.
        """

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
            n_windows: windows, the last ones; as many as the later rows allow if None. Fewer rows than a horizon are
                one window, of which only the steps that have come are scored.
            step_size: steps from one window to the next; the horizon if None.

        Raises:
            InputError: for data that cannot be used, where no series has a later row, and for a new series that
                has the values of a learned one on the same dates.
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

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False  # but a frame
        tags.input_tags.allow_nan = True
        return tags

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
