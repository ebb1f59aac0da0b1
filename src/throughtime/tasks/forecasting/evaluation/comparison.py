"""Several forecasters over the same windows, beside the simple forecasts: which is best, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.tasks.forecasting.evaluation.autoregression import AUTOREGRESSION
from throughtime.tasks.forecasting.evaluation.baselines import BASELINES
from throughtime.tasks.forecasting.evaluation.external_models import EXTERNAL_MODELS, check_external_models
from throughtime.tasks.forecasting.evaluation.skill import Skill
from throughtime.tasks.forecasting.network.forecast_network import FEED_FORWARD
from throughtime.tasks.param_checks import check_int
from throughtime.tasks.workers import check_workers, ordered_map

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from throughtime import training
    from throughtime.data.series.frames import Data
    from throughtime.tasks.forecasting.estimator import Forecaster
    from throughtime.tasks.forecasting.evaluation.backtest import Backtest

_OURS = "throughtime"


@dataclass(frozen=True)
class Comparison:
    """A leaderboard.

    Attributes:
        windows: held-out windows.
        seeds: forecasters that were trained for each name.
        scores: by name, the best first: sMAPE in percent, MASE and RMSE, means over series, windows and seeds.
        spread: by name of a forecaster, the standard deviation of its MASE over the seeds; empty for one seed.
        skills: by name of each other row, what the best saves of its error, with the interval.
        backtests: by name of a forecaster, the backtest of each seed.
        verdict: which is best, in plain words.
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
        """The name of the row that stands first."""
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
        step_size: likewise, in steps.
        seeds: forecasters to train for each name, from its `random_state` on.
        refit: whether they are trained anew before each window.
        against: models of other libraries, as for `Forecaster.backtest`.
        workers: where the backtests are done, as for `tune`.
        callbacks: as for `Forecaster.fit`, of trainings in this process.

    Raises:
        InputError: for settings or data that cannot be used, and for forecasters that do not forecast the same.

    >>> import throughtime as tt
    >>> cells = {cell: tt.Forecaster(11, cell=cell, preset="fast", budget=1) for cell in ("gru", "lstm")}
    >>> found = tt.compare(tt.datasets.load("sunspots"), cells, n_windows=2)
    >>> {"gru", "lstm", "seasonal_naive"} <= set(found.scores)
    True
    """
    check_int("seeds", seeds)
    check_external_models(against)
    _check(forecasters)
    check_workers(workers)
    options = {"refit": refit, "memoryless": False, "callbacks": callbacks if workers is None else ()}
    seeded = [_with_seed(forecaster, seed) for forecaster in forecasters.values() for seed in range(seeds)]
    # What stands beside is the same for all, and computed once.
    beside = [against, *[()] * (len(seeded) - 1)]
    with ordered_map(workers) as each:
        found = list(each(partial(_backtest, df, n_windows, step_size, options), zip(seeded, beside, strict=True)))
    backtests = {name: found[i * seeds : (i + 1) * seeds] for i, name in enumerate(forecasters)}
    return leaderboard(backtests)


def _backtest(
    df: Data,
    n_windows: int | None,
    step_size: int | None,
    options: dict[str, Any],
    job: tuple[Forecaster, Sequence[str]],
) -> Backtest:
    """The backtest of a forecaster, beside the models that are named."""
    forecaster, against = job
    return forecaster.backtest(df, n_windows, step_size, against=against, **options)


def leaderboard(backtests: dict[str, list[Backtest]]) -> Comparison:
    """Compare finished backtests of the same windows, one for each seed.

    Raises:
        InputError: where the windows are not the same.
    """
    first = next(iter(backtests.values()))[0]
    for name, each in backtests.items():
        if any(len(b.errors[_OURS]) != len(first.errors[_OURS]) or b.windows != first.windows for b in each):
            raise InputError(f"forecasters: {name} forecasts other series or windows than {next(iter(backtests))}")
    scores = {method: score for method, score in first.scores.items() if method != _OURS}
    errors = {method: error for method, error in first.errors.items() if method != _OURS}
    spread = {}
    for name, each in backtests.items():
        of_seeds = [b.scores[_OURS] for b in each]
        scores[name] = {measure: float(np.mean([s[measure] for s in of_seeds])) for measure in of_seeds[0]}
        errors[name] = np.mean([b.errors[_OURS] for b in each], axis=0)
        if len(each) > 1:
            spread[name] = float(np.std([s["mase"] for s in of_seeds], ddof=1))
    measure = "mase" if any(np.isfinite(score["mase"]) for score in scores.values()) else "rmse"
    order = sorted(scores, key=lambda name: np.nan_to_num(scores[name][measure], nan=np.inf))
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
    """The best, and those that it cannot be told from: zero lies in the interval of the skill."""
    best = next(iter(scores))
    held_out = f"{windows} held-out window{'s' if windows > 1 else ''}"
    measure = "mase" if np.isfinite(scores[best]["mase"]) else "rmse"
    if not np.isfinite(scores[best][measure]):
        return f"No value is known on {held_out}: nothing can be said of the forecasts."
    said = f"{_display_name(best)} is best on {held_out}, {measure.upper()} {scores[best][measure]:.3g}"
    if measure == "rmse":
        return f"{said}; MASE is not defined, so whether that is chance is not known."
    alike = [name for name, skill in skills.items() if not skill.low > 0]
    if alike:
        return f"{said}; that may be chance beside {', '.join(map(_display_name, alike))}."
    return f"{said}, and surely so: every interval of its skill lies above zero."


def _display_name(name: str) -> str:
    """What a row is called in a sentence."""
    if name in EXTERNAL_MODELS:
        return EXTERNAL_MODELS[name].title
    return name.replace("_", " ") if name in BASELINES else name


def _with_seed(forecaster: Forecaster, seed: int) -> Forecaster:
    """The same settings, with another seed."""
    return type(forecaster)(**{**forecaster.get_params(), "random_state": forecaster.seed() + seed})


def _check(forecasters: dict[str, Forecaster]) -> None:
    if not forecasters:
        raise InputError("forecasters: expected at least one, by its name")
    taken = {_OURS, FEED_FORWARD, AUTOREGRESSION, *BASELINES, *EXTERNAL_MODELS} & {*forecasters}
    if taken:
        raise InputError(f"forecasters: {min(taken)} is the name of another row; call it otherwise")
    horizons = {name: forecaster.horizon for name, forecaster in forecasters.items()}
    if len(set(horizons.values())) > 1:
        shown = ", ".join(f"{name} {horizon}" for name, horizon in horizons.items())
        raise InputError(f"forecasters: expected the same horizon for all, got {shown}")
