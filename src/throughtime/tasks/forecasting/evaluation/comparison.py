"""Leaderboard of several forecasters over the same windows, with baselines and the significance of differences."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime._core.param_checks import check_int
from throughtime.inference.forecasting.autoregression import AUTOREGRESSION
from throughtime.tasks.forecasting.evaluation.baselines import BASELINES
from throughtime.tasks.forecasting.evaluation.external_models import EXTERNAL_MODELS, check_external_models
from throughtime.tasks.forecasting.evaluation.skill import Skill
from throughtime.tasks.forecasting.evaluation.verdict import OURS
from throughtime.tasks.forecasting.network.forecast_network import FEED_FORWARD
from throughtime.tasks.workers import check_workers, ordered_map

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from throughtime import training
    from throughtime.data.series.frames import Data
    from throughtime.tasks.forecasting.estimator import Forecaster
    from throughtime.tasks.forecasting.evaluation.window_results import Backtest


@dataclass(frozen=True)
class Comparison:
    """A leaderboard.

    Attributes:
        windows: held-out windows.
        seeds: forecasters trained for each name.
        scores: by name, the best first: sMAPE in percent, MASE and RMSE, means over series, windows and seeds.
        spread: by name of a forecaster, the standard deviation of its MASE over the seeds; empty for one seed.
        skills: by name of each other row, the improvement of the best row on it, with its interval.
        backtests: by name of a forecaster, the backtest of each seed.
        verdict: summary in a sentence.
    """

    windows: int
    seeds: int
    scores: dict[str, dict[str, float]]
    spread: dict[str, float]
    skills: dict[str, Skill]
    backtests: dict[str, list[Backtest]]
    verdict: str

    @property
    def best(self) -> str:
        """The name of the first row."""
        return next(iter(self.scores))


def compare(
    df: Data,
    forecasters: dict[str, Forecaster],
    n_windows: int | None = None,
    step_size: int | None = None,
    *,
    seeds: int = 1,
    refit: bool = False,
    against: Sequence[str] = (),
    workers: str | None = None,
    callbacks: Sequence[Callable[[training.Progress], None]] = (),
) -> Comparison:
    """Backtest forecasters over the same windows; what they have learned before is not used.

    Args:
        df: as for `Forecaster.fit`.
        forecasters: settings by name.
        n_windows: as for `Forecaster.backtest`.
        step_size: as for `Forecaster.backtest`.
        seeds: forecasters to train for each name, from its `random_state` on.
        refit: whether they are trained before each window.
        against: models of other libraries, as for `Forecaster.backtest`.
        workers: where the backtests run, as for `tune`.
        callbacks: as for `Forecaster.fit`, of trainings in this process.

    Raises:
        InputError: for invalid settings or data, and for forecasters with different horizons.

    >>> import throughtime as tt
    >>> cells = {cell: tt.Forecaster(11, cell=cell, preset="fast", budget=1) for cell in ("gru", "lstm")}
    >>> board = tt.compare(tt.datasets.load("sunspots"), cells, n_windows=2)
    >>> {"gru", "lstm", "seasonal_naive"} <= set(board.scores)
    True
    """
    check_int("seeds", seeds)
    check_external_models(against)
    _check_forecasters(forecasters)
    check_workers(workers)
    options = {"refit": refit, "memoryless": False, "callbacks": callbacks if workers is None else ()}
    seeded = [_with_seed(forecaster, seed) for forecaster in forecasters.values() for seed in range(seeds)]
    # The rows of external models are the same in every backtest, so only the first one computes them.
    external = [against, *[()] * (len(seeded) - 1)]
    with ordered_map(workers) as map_jobs:
        jobs = zip(seeded, external, strict=True)
        results = list(map_jobs(partial(_backtest, df, n_windows, step_size, options), jobs))
    backtests = {name: results[i * seeds : (i + 1) * seeds] for i, name in enumerate(forecasters)}
    return leaderboard(backtests)


def _backtest(
    df: Data,
    n_windows: int | None,
    step_size: int | None,
    options: dict[str, Any],
    job: tuple[Forecaster, Sequence[str]],
) -> Backtest:
    """Backtest a forecaster together with the external models of the job."""
    forecaster, against = job
    return forecaster.backtest(df, n_windows, step_size, against=against, **options)


def leaderboard(backtests: dict[str, list[Backtest]]) -> Comparison:
    """Compare finished backtests of the same windows, one per seed.

    Raises:
        InputError: where the windows are not the same.
    """
    first = next(iter(backtests.values()))[0]
    for name, runs in backtests.items():
        if any(len(run.errors[OURS]) != len(first.errors[OURS]) or run.windows != first.windows for run in runs):
            raise InputError(f"forecasters: {name} forecasts other series or windows than {next(iter(backtests))}")
    scores = {method: score for method, score in first.scores.items() if method != OURS}
    errors = {method: error for method, error in first.errors.items() if method != OURS}
    spread = {}
    for name, runs in backtests.items():
        run_scores = [run.scores[OURS] for run in runs]
        scores[name] = {metric: float(np.mean([score[metric] for score in run_scores])) for metric in run_scores[0]}
        errors[name] = np.mean([run.errors[OURS] for run in runs], axis=0)
        if len(runs) > 1:
            spread[name] = float(np.std([score["mase"] for score in run_scores], ddof=1))
    metric = "mase" if any(np.isfinite(score["mase"]) for score in scores.values()) else "rmse"
    order = sorted(scores, key=lambda name: np.nan_to_num(scores[name][metric], nan=np.inf))
    ranked = {name: scores[name] for name in order}
    skills = {name: Skill.of(errors[order[0]], errors[name], name, first.groups) for name in order[1:]}
    return Comparison(
        windows=first.windows,
        seeds=max(map(len, backtests.values())),
        scores=ranked,
        spread=spread,
        skills=skills,
        backtests=backtests,
        verdict=_verdict(ranked, skills, first.windows),
    )


def _verdict(scores: dict[str, dict[str, float]], skills: dict[str, Skill], windows: int) -> str:
    """Name the best row, and the rows whose difference from it is not significant."""
    best = next(iter(scores))
    held_out = f"{windows} held-out window{'s' if windows > 1 else ''}"
    metric = "mase" if np.isfinite(scores[best]["mase"]) else "rmse"
    if not np.isfinite(scores[best][metric]):
        return f"No value is observed on {held_out}: the forecasts cannot be scored."
    sentence = f"{_display_name(best)} is best on {held_out}, {metric.upper()} {scores[best][metric]:.3g}"
    if metric == "rmse":
        return f"{sentence}; MASE is not defined, so the statistical significance is not known."
    close = [name for name, skill in skills.items() if not skill.low > 0]
    if close:
        names = ", ".join(map(_display_name, close))
        return f"{sentence}; the difference is not statistically significant from {names}."
    return f"{sentence}; the difference from every other row is statistically significant."


def _display_name(name: str) -> str:
    """Return the name of a row in a sentence."""
    if name in EXTERNAL_MODELS:
        return EXTERNAL_MODELS[name].title
    return name.replace("_", " ") if name in BASELINES else name


def _with_seed(forecaster: Forecaster, seed: int) -> Forecaster:
    """Return the same settings with another seed."""
    return type(forecaster)(**{**forecaster.get_params(), "random_state": forecaster.seed() + seed})


def _check_forecasters(forecasters: dict[str, Forecaster]) -> None:
    if not forecasters:
        raise InputError("forecasters: expected at least one, by its name")
    reserved = {OURS, FEED_FORWARD, AUTOREGRESSION, *BASELINES, *EXTERNAL_MODELS} & {*forecasters}
    if reserved:
        raise InputError(f"forecasters: {min(reserved)} is the name of another row; choose another name")
    horizons = {name: forecaster.horizon for name, forecaster in forecasters.items()}
    if len(set(horizons.values())) > 1:
        listed = ", ".join(f"{name} {horizon}" for name, horizon in horizons.items())
        raise InputError(f"forecasters: expected the same horizon for all, got {listed}")
