"""Backtests: forecasts of the past by a forecaster that has not seen it, compared with the baselines."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from throughtime._core.errors import InputError
from throughtime._core.param_checks import check_int
from throughtime.inference.forecasting.ended_series import scored_series
from throughtime.tasks.background import in_background
from throughtime.tasks.forecasting.evaluation.external_models import check_external_models
from throughtime.tasks.forecasting.evaluation.window_results import Backtest, WindowResult, summarize
from throughtime.tasks.forecasting.network.forecast_network import FEED_FORWARD
from throughtime.tasks.workers import check_workers, ordered_map

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jaxtyping import Int

    from throughtime.data.series.frame_format import FrameFormat
    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting.base import AbstractForecaster
    from throughtime.training import Progress

_MAX_WINDOWS = 5  # by default
_MEMORYLESS = {"cell": FEED_FORWARD, "decoder": "direct"}


def run(
    forecaster: AbstractForecaster,
    panel: Panel,
    kind: FrameFormat,
    n_windows: int | None,
    step_size: int | None,
    *,
    refit: bool,
    callbacks: Sequence[Callable[[Progress], None]],
    memoryless: bool = True,
    against: Sequence[str] = (),
    workers: str | None = None,
) -> Backtest:
    """Backtest a forecaster with its settings; what it has learned is not used.

    Args:
        forecaster: settings.
        panel: series.
        kind: of the frame of forecasts.
        n_windows: windows; by default as many as the data allow, at most 5.
        step_size: steps from one window to the next; by default the horizon.
        refit: whether to train before each window, one job for the workers per window.
        callbacks: of the training.
        memoryless: whether to train a feed-forward network of about as many weights for comparison.
        against: names of external models for comparison.
        workers: where the jobs run.
    """
    check_external_models(against)
    check_workers(workers)
    step = forecaster.horizon if step_size is None else step_size
    scored = panel.select(_scored_indices(panel, forecaster.horizon))
    cuts = _held_out_cuts(scored, forecaster.horizon, n_windows, step)
    unfitted = type(forecaster)(**forecaster.get_params())
    local_callbacks = callbacks if workers is None else ()
    with ordered_map(workers) as map_jobs:
        batches = map_jobs(
            partial(_train_and_forecast, unfitted, panel, memoryless, against, local_callbacks),
            [[cut] for cut in cuts] if refit else [cuts],
        )
        return summarize([window for batch in batches for window in batch], kind)


def evaluate(
    forecaster: AbstractForecaster, panel: Panel, kind: FrameFormat, n_windows: int | None, step_size: int | None
) -> Backtest:
    """Score a fitted forecaster over windows of the rows after those of its training."""
    horizon = forecaster.horizon
    step = horizon if step_size is None else step_size
    new_steps = panel.steps_after(forecaster.panel_)
    # A series without training rows needs a past too.
    new_steps -= np.where(new_steps == panel.lengths, _min_history(horizon), 0)
    rows = int(new_steps.max())
    if rows < 1:
        raise InputError("evaluate: expected rows after those that the forecaster was trained on, got none")
    if rows < horizon:
        result = summarize([_partial_window(forecaster, panel, new_steps)], kind)
        return replace(result, verdict=f"{result.verdict} It is scored on the first {rows} of {horizon} steps alone.")
    cuts = _cuts(horizon, n_windows, step, rows=rows)
    panels = [(cut, panel.select(np.flatnonzero(new_steps >= cut).tolist())) for cut in cuts]
    results = [WindowResult.of(forecaster, None, window, window.drop_last(cut), cut) for cut, window in panels]
    return summarize(results, kind)


def _partial_window(forecaster: AbstractForecaster, panel: Panel, new_steps: Int[np.ndarray, "n"]) -> WindowResult:
    """Forecast the rows after the training, which are fewer than a horizon."""
    scored = np.flatnonzero(new_steps > 0)
    window, steps = panel.select(scored.tolist()), new_steps[scored]
    past = window.drop_last(steps)
    return WindowResult.of(
        forecaster, None, window.append_missing(forecaster.horizon - steps), past, forecaster.horizon
    )


def _train_and_forecast(
    forecaster: AbstractForecaster,
    panel: Panel,
    memoryless: bool,
    against: Sequence[str],
    callbacks: Sequence[Callable[[Progress], None]],
    cuts: list[int],
) -> list[WindowResult]:
    """Train on the steps before the first of some windows, and forecast each of them."""
    # Categories and scales of covariates come from the past too: no code reveals a word that comes later.
    scored = _scored_indices(panel, forecaster.horizon)
    ended = ~np.isin(np.arange(len(panel)), scored)
    steps = np.maximum(cuts[0] - panel.steps_to_common_end(ended), 0)
    panel = panel.refit_features(steps, forecaster.horizon)
    past = panel.drop_last(steps)
    trained = _with_own_seed(forecaster)
    baseline = _with_own_seed(forecaster).set_params(**_MEMORYLESS) if memoryless else None
    if baseline is None:
        trained.fit_panel(past, callbacks)
    else:
        # A budget is of time in which nothing else is trained.
        with in_background(lambda check: baseline.fit_panel(past, [check]), when=forecaster.budget is None) as wait:
            trained.fit_panel(past, callbacks)
            wait()
    panel = panel.select(scored)
    return [WindowResult.of(trained, baseline, panel, panel.drop_last(cut), cut, against) for cut in cuts]


def _with_own_seed(forecaster: AbstractForecaster) -> AbstractForecaster:
    """Return a forecaster of the same settings, whose seed is drawn now, from a random state that others share."""
    return type(forecaster)(**{**forecaster.get_params(), "random_state": forecaster.seed()})


def check_backtest_length(panel: Panel, horizon: int) -> None:
    """Check that a panel is long enough for a backtest, before anything is trained.

    Raises:
        InputError: where it is not.
    """
    _held_out_cuts(panel.select(_scored_indices(panel, horizon)), horizon, None, horizon)


def _scored_indices(panel: Panel, horizon: int) -> list[int]:
    """Return the series to score: without those that have ended, unless the others are too short for a window."""
    indices = scored_series(panel, horizon)
    is_long = panel.lengths[indices].max() >= _min_history(horizon) + horizon
    return indices if is_long else list(range(len(panel)))


def _held_out_cuts(panel: Panel, horizon: int, n_windows: int | None, step: int) -> list[int]:
    """Return the cuts of a backtest: by default windows take at most a third of the history."""
    longest, history = int(panel.lengths.max()), _min_history(horizon)
    if longest < history + horizon:
        raise InputError(
            f"backtest: expected at least one series of {history + horizon} steps for a horizon of {horizon}, got "
            f"{longest}; take a shorter horizon"
        )
    default_rows = min(_MAX_WINDOWS * step, longest // 3)
    return _cuts(horizon, n_windows, step, rows=longest - history, default_rows=default_rows)


def _min_history(horizon: int) -> int:
    """Return the steps that are needed before a window."""
    return max(2 * horizon, 3)


def _cuts(horizon: int, n_windows: int | None, step: int, *, rows: int, default_rows: int | None = None) -> list[int]:
    """Return the steps to drop for each window, the oldest first: of the last `rows`, by default of `default_rows`."""
    for name, value in (("n_windows", n_windows), ("step_size", step)):
        if value is not None:
            check_int(name, value)
    allowed = (rows - horizon) // step + 1
    default = allowed if default_rows is None else min(allowed, max(1, default_rows // step))
    count = default if n_windows is None else n_windows
    if count > allowed:
        raise InputError(f"n_windows: expected at most {allowed} for {rows} rows to hold out, got {count}")
    return [horizon + i * step for i in reversed(range(count))]
