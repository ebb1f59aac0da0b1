"""Backtests: what would have been forecast in the past, beside the naive forecasts, and what to think of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.tasks.forecasting.ended_series import scored_series
from throughtime.tasks.forecasting.evaluation import metrics
from throughtime.tasks.forecasting.evaluation.baselines import BASELINES, baseline_season, baselines
from throughtime.tasks.forecasting.evaluation.external_models import EXTERNAL_MODELS, check_external_models, rivals
from throughtime.tasks.forecasting.evaluation.skill import Skill, by_series, missed_coverage
from throughtime.tasks.forecasting.network.forecast_network import FEED_FORWARD
from throughtime.tasks.param_checks import check_int
from throughtime.tasks.workers import check_workers, ordered_map

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from throughtime.data.series.frames import FrameFormat
    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting.estimator import Forecaster
    from throughtime.training import Progress

_MOST_WINDOWS = 5
_OURS = "throughtime"
_MEMORYLESS = {"cell": FEED_FORWARD, "decoder": "direct"}
_LEVELS = tuple(
    range(10, 100, 10)
)  # of intervals whose bounds are the quantiles 0.05, 0.1, …, 0.95, but for the median
_CLOSE = 0.02  # differences below this share are none


@dataclass(frozen=True)
class Backtest:
    """Forecasts of the past and their scores.

    Attributes:
        forecasts: a frame of unique_id, ds, cutoff, y, throughtime, its intervals, naive, seasonal_naive, …
        windows: held-out windows.
        scores: by method, sMAPE in percent, MASE and RMSE, averaged over series and windows.
        by_step: by method, the mean absolute error of each step in units of MASE.
        by_series: each series with its MASE by method, those where the network did worst first.
        errors: by method, MASE of each series in each window, in the order of `forecasts`: (n,).
        groups: the series and the window of each error, as codes: (n, 2).
        skill: what the network saves of the error of the best naive forecast, and how sure that is.
        coverage: by level in percent, the share of the actual values inside the intervals.
        msis: by level, the mean scaled interval score.
        pinball: by share, the loss of that quantile, in units of MASE.
        crps: by method, the continuous ranked probability score in units of MASE: of ours twice the mean of `pinball`,
            of a forecast without quantiles its MASE.
        verdict: what to think of it, in plain words.
        season: steps of the season that seasonal naive repeats; 1 where it repeats the last value.
        mase_lag: steps between the values whose mean difference in the history MASE divides by; 1 for series that are
            no longer than that.
    """

    forecasts: Any
    windows: int
    scores: dict[str, dict[str, float]]
    by_step: dict[str, list[float]]
    by_series: list[tuple[Any, dict[str, float]]]
    errors: dict[str, np.ndarray]
    groups: np.ndarray
    skill: Skill
    coverage: dict[int | float, float]
    msis: dict[int | float, float]
    pinball: dict[float, float]
    crps: dict[str, float]
    verdict: str
    season: int = 1
    mase_lag: int = 1


def run(
    forecaster: Forecaster,
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

    With `memoryless` a feed-forward network of about as many weights is trained and shown beside it, and so are the
    models of other libraries that `against` names. With `refit` each window is a job for the workers.
    """
    check_external_models(against)
    check_workers(workers)
    step = forecaster.horizon if step_size is None else step_size
    cuts = _held_out(panel.select(_scored(panel, forecaster.horizon)), forecaster.horizon, n_windows, step)
    fresh = type(forecaster)(**forecaster.get_params())
    watching = callbacks if workers is None else ()
    with ordered_map(workers) as each:
        windows = each(
            partial(_forecast, fresh, panel, memoryless, against, watching),
            [[cut] for cut in cuts] if refit else [cuts],
        )
        return _summary([window for select in windows for window in select], kind)


def evaluate(
    forecaster: Forecaster, panel: Panel, kind: FrameFormat, n_windows: int | None, step_size: int | None
) -> Backtest:
    """Score a forecaster as it is, over windows of what lies behind the rows that it has learned from."""
    horizon = forecaster.horizon
    step = horizon if step_size is None else step_size
    fresh = panel.steps_after(forecaster.panel_)
    fresh -= np.where(fresh == panel.lengths, _least(horizon), 0)  # a series that is new needs a past too
    most = int(fresh.max())
    if most < horizon:
        raise InputError(
            f"evaluate: expected {horizon} rows or more of a series behind those that the forecaster has learned from, "
            f"got {max(0, most)}"
        )
    cuts = _cuts(horizon, n_windows, step, rows=most)
    parts = [(cut, panel.select(np.flatnonzero(fresh >= cut).tolist())) for cut in cuts]
    return _summary([_WindowResult.of(forecaster, None, part, part.drop_last(cut), cut) for cut, part in parts], kind)


def _forecast(
    forecaster: Forecaster,
    panel: Panel,
    memoryless: bool,
    against: Sequence[str],
    callbacks: Sequence[Callable[[Progress], None]],
    cuts: list[int],
) -> list[_WindowResult]:
    """Windows of a network that has learned from what lies before the first of them."""
    # What is known beside the values is learned from the past too: no code of a word tells of what came later.
    scored = _scored(panel, forecaster.horizon)
    ended = ~np.isin(np.arange(len(panel)), scored)
    steps = np.maximum(cuts[0] - panel.steps_to_common_end(ended), 0)
    panel = panel.refit_features(steps, forecaster.horizon)
    settings, past = forecaster.get_params(), panel.drop_last(steps)
    trained = type(forecaster)(**settings).fit_panel(past, callbacks)
    rival = type(forecaster)(**{**settings, **_MEMORYLESS}).fit_panel(past, ()) if memoryless else None
    panel = panel.select(scored)
    return [_WindowResult.of(trained, rival, panel, panel.drop_last(cut), cut, against) for cut in cuts]


@dataclass(frozen=True)
class _WindowResult:
    """Arrays of one cutoff: each (n, F) but for ids and stamps."""

    ids: np.ndarray
    stamps: np.ndarray
    cutoffs: np.ndarray
    y: np.ndarray
    scale: np.ndarray  # what MASE divides by: (n, 1)
    methods: dict[str, np.ndarray]
    bounds: dict[int | float, tuple[np.ndarray, np.ndarray]]
    pinball: dict[float, np.ndarray]  # by share, (n,)
    season: int  # of the seasonal naive forecast
    mase_lag: int
    weight: float  # of the network in the forecast
    expert: str  # which has the rest

    @classmethod
    def of(
        cls,
        trained: Forecaster,
        rival: Forecaster | None,
        panel: Panel,
        past: Panel,
        cut: int,
        against: Sequence[str] = (),
    ) -> _WindowResult:
        horizon = trained.horizon
        levels = sorted(set(trained.levels))
        forecasts = trained.model_.forecast(past, sorted({*levels, *_LEVELS}))
        kept = np.flatnonzero(panel.lengths > cut).tolist()
        at = panel.lengths[kept] - cut
        future = [panel[i][t : t + horizon] for i, t in zip(kept, at, strict=True)]
        season = metrics.mase_season(panel.frequency)
        y, quantiles = np.stack(future), forecasts.quantiles(_LEVELS)
        others = {} if rival is None else {FEED_FORWARD: rival.model_.forecast(past, ()).point}
        return cls(
            ids=np.array([panel.ids[i] for i in kept]),
            stamps=np.stack([panel.stamps(i, t, horizon) for i, t in zip(kept, at, strict=True)]),
            cutoffs=np.stack([panel.stamps(i, t - 1, 1) for i, t in zip(kept, at, strict=True)]).repeat(horizon, 1),
            y=y,
            scale=np.array([[metrics.naive_error(values, season) or np.nan] for values in past]),
            methods={
                _OURS: forecasts.point,
                **others,
                **baselines(past, trained.model_.plan),
                **rivals(past, trained.model_.plan, against),
            },
            bounds={level: (forecasts.low[level], forecasts.high[level]) for level in levels},
            pinball={share: metrics.pinball(y, quantile, share) for share, quantile in quantiles.items()},
            season=baseline_season(past, trained.model_.plan),
            mase_lag=season,
            weight=trained.model_.calibration.weight,
            expert=trained.model_.calibration.expert,
        )


def check_backtest_length(panel: Panel, horizon: int) -> None:
    """See that a backtest of a panel can have a window, before anything is learned.

    Raises:
        InputError: where it cannot.
    """
    _held_out(panel.select(_scored(panel, horizon)), horizon, None, horizon)


def _scored(panel: Panel, horizon: int) -> list[int]:
    """The series of windows: without those that have ended, unless the others are too short for a window."""
    chosen = scored_series(panel, horizon)
    return chosen if panel.lengths[chosen].max() >= _least(horizon) + horizon else list(range(len(panel)))


def _held_out(panel: Panel, horizon: int, n_windows: int | None, step: int) -> list[int]:
    """The cuts of a backtest: by default at most a third of the history is given to windows."""
    longest, least = int(panel.lengths.max()), _least(horizon)
    if longest < least + horizon:
        raise InputError(
            f"backtest: expected at least one series of {least + horizon} steps for a horizon of {horizon}, got "
            f"{longest}; take a shorter horizon"
        )
    usual = min(_MOST_WINDOWS * step, longest // 3)
    return _cuts(horizon, n_windows, step, rows=longest - least, usual=usual)


def _least(horizon: int) -> int:
    """Steps that must be left before a window."""
    return max(2 * horizon, 3)


def _cuts(horizon: int, n_windows: int | None, step: int, *, rows: int, usual: int | None = None) -> list[int]:
    """How many steps are cut off for each window, the oldest first: of the last `rows`, and of `usual` by default."""
    for name, value in (("n_windows", n_windows), ("step_size", step)):
        if value is not None:
            check_int(name, value)
    allowed = (rows - horizon) // step + 1
    most = allowed if usual is None else min(allowed, max(1, usual // step))
    count = most if n_windows is None else n_windows
    if count > allowed:
        raise InputError(f"n_windows: expected at most {allowed} for {rows} rows to hold out, got {count}")
    return [horizon + i * step for i in reversed(range(count))]


def _summary(windows: list[_WindowResult], kind: FrameFormat) -> Backtest:
    y = np.concatenate([w.y for w in windows])
    scale = np.concatenate([w.scale for w in windows])
    methods = {name: np.concatenate([w.methods[name] for w in windows]) for name in windows[0].methods}
    bounds = {
        level: tuple(np.concatenate([w.bounds[level][side] for w in windows]) for side in (0, 1))
        for level in windows[0].bounds
    }
    errors = {name: metrics.mean(np.abs(y - f)) / scale[:, 0] for name, f in methods.items()}
    scores = {
        name: {
            "smape": _mean(metrics.smape(y, f)),
            "mase": _mean(errors[name]),
            "rmse": _mean(metrics.rmse(y, f)),
        }
        for name, f in methods.items()
    }
    by_step = {name: [_mean(step) for step in (np.abs(y - f) / scale).T] for name, f in methods.items()}
    rival = min(BASELINES, key=lambda name: _mean(errors[name]))
    ids, numbers = np.concatenate([w.ids for w in windows]), range(len(windows))
    codes = np.concatenate([np.full(len(w.ids), i) for i, w in zip(numbers, windows, strict=True)])
    groups = np.stack([np.unique(ids, return_inverse=True)[1], codes], 1)
    skills = {name: Skill.of(errors[_OURS], errors[name], name, groups) for name in {rival, "naive"}}
    known = np.isfinite(y)
    inside = {level: np.where(known, (y >= lo) & (y <= hi), np.nan) for level, (lo, hi) in bounds.items()}
    coverage = {level: _mean(((y >= lo) & (y <= hi))[known]) for level, (lo, hi) in bounds.items()}
    msis = {b: _mean(metrics.interval_score(y, low, high, b) / scale[:, 0]) for b, (low, high) in bounds.items()}
    pinball = {
        share: _mean(np.concatenate([w.pinball[share] for w in windows]) / scale[:, 0]) for share in windows[0].pinball
    }
    crps = {name: score["mase"] for name, score in scores.items()} | {_OURS: 2 * float(np.mean(list(pinball.values())))}
    columns = {
        "unique_id": ids.repeat(y.shape[1]),
        "ds": np.concatenate([w.stamps for w in windows]).ravel(),
        "cutoff": np.concatenate([w.cutoffs for w in windows]).ravel(),
        "y": y.ravel(),
        _OURS: methods[_OURS].ravel(),
    }
    for level, (lo, hi) in bounds.items():
        columns[f"{_OURS}-lo-{level}"], columns[f"{_OURS}-hi-{level}"] = lo.ravel(), hi.ravel()
    columns |= {name: forecast.ravel() for name, forecast in methods.items() if name != _OURS}
    return Backtest(
        forecasts=kind.frame(columns),
        windows=len(windows),
        scores=scores,
        by_step=by_step,
        errors=errors,
        groups=groups,
        by_series=by_series(ids, errors, _OURS),
        skill=skills[rival],
        coverage=coverage,
        msis=msis,
        pinball=pinball,
        crps=crps,
        verdict=_verdict(scores, len(windows), skills, season=windows[0].season, subject=_subject(windows))
        + _blend(windows)
        + _without_mase(ids[known.any(1)], scale[known.any(1), 0])
        + missed_coverage(inside, groups),
        season=windows[0].season,
        mase_lag=windows[0].mase_lag,
    )


def _subject(windows: list[_WindowResult]) -> str:
    """What was scored: the network, or a forecast that it has a part in."""
    return "The network" if all(window.weight == 1 for window in windows) else "The forecast"


def _blend(windows: list[_WindowResult]) -> str:
    """A sentence on the network's share of the forecast that was scored, where it is not all of it."""
    weights = sorted({window.weight for window in windows})
    names = sorted({window.expert.replace("_", " ") for window in windows if window.weight < 1})
    experts = " and ".join(f"the {name} forecast" for name in names)
    if weights == [0.0]:
        return f" In these windows the network has no share in the forecast (0 %): all of it is {experts}."
    if weights == [1.0]:
        return ""
    shares = " to ".join(f"{weight:.0%}".replace("%", " %") for weight in dict.fromkeys((weights[0], weights[-1])))
    return f" In these windows the network's share of the forecast is {shares}, the rest is {experts}."


def _without_mase(ids: np.ndarray, scale: np.ndarray) -> str:
    """A sentence on series that MASE leaves out, where it does not leave out all."""
    count, constant = len(np.unique(ids)), len(np.unique(ids[np.isnan(scale)]))
    if not 0 < constant < count:
        return ""
    return f" MASE leaves out windows of {constant} of {count} series: their history before them never changes."


def _verdict(
    scores: dict[str, dict[str, float]],
    windows: int,
    skills: dict[str, Skill],
    *,
    season: int = 2,
    subject: str = "The network",
) -> str:
    """What to think of the scores, and of what is saved of the error of the best naive forecast and the last value."""
    measure = "mase" if np.isfinite(scores[_OURS]["mase"]) else "rmse"
    errors = {name: score[measure] for name, score in scores.items()}
    best = min((name for name in BASELINES), key=lambda name: errors[name])
    held_out = f"on {windows} held-out window{'s' if windows > 1 else ''}"
    if not np.isfinite(errors[best]):
        return f"No value is known {held_out}: nothing can be said of the network."
    if not errors[best] > 0:
        return f"{BASELINES[best].capitalize()} is exact {held_out}: nothing is left for a network to learn."
    gain = 1 - errors[_OURS] / errors[best]
    if gain < -_CLOSE:
        text = f"{subject} does not win: {BASELINES[best]} is {1 - errors[best] / errors[_OURS]:.0%} better {held_out}"
        text += ", which may be chance." if skills[best].high > 0 else "."
    elif gain < _CLOSE:
        text = f"{subject} is as good as {BASELINES[best]}, no better, {held_out}."
    else:
        usual = "seasonal_naive" if season > 1 else "naive"  # without a season the former is the latter
        text = f"{1 - errors[_OURS] / errors[usual]:.0%} better than {BASELINES[usual]} {held_out}"
        if best != usual:
            text += f"; {gain:.0%} better than {BASELINES[best]}, the best of the naive forecasts"
    return f"{text.removesuffix('.')}.{_wandering(best, skills)}{_beaten_by(errors)}"


def _wandering(best: str, skills: dict[str, Skill]) -> str:
    """A sentence where nothing is surely better than the last value, as where series wander; none if it was named."""
    last = skills["naive"]
    if (best == "naive" and last.value < _CLOSE) or last.low > 0 or last.high < -_CLOSE or not np.isfinite(last.value):
        return ""
    if not last.value > 0:
        return " Nor is it better than the last value."
    return " The last value may be as good: what is saved of its error may be chance."


def _beaten_by(errors: dict[str, float]) -> str:
    """Sentences where the network is beaten by one that has no memory, or by a model of another library."""
    names = {
        FEED_FORWARD: "A feed-forward network without memory",
        **{name: EXTERNAL_MODELS[name].title for name in EXTERNAL_MODELS},
    }
    gains = {name: 1 - errors.get(name, np.inf) / errors[_OURS] for name in names}
    return "".join(f" {names[name]} is {gain:.0%} better than it." for name, gain in gains.items() if gain > _CLOSE)


def _mean(x: np.ndarray) -> float:
    return float(metrics.mean(np.asarray(x, dtype=np.float64)))
