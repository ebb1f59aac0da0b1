"""Forecasts of held-out windows, and the scores over all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.tasks.forecasting.evaluation import metrics
from throughtime.tasks.forecasting.evaluation.baselines import BASELINES, baseline_forecasts, baseline_season
from throughtime.tasks.forecasting.evaluation.external_models import external_forecasts
from throughtime.tasks.forecasting.evaluation.skill import Skill, mean_errors_by_series, missed_coverage
from throughtime.tasks.forecasting.evaluation.verdict import (
    OURS,
    backtest_verdict,
    constant_series_sentence,
    network_share_sentence,
    verdict_subject,
)
from throughtime.tasks.forecasting.network.forecast_network import FEED_FORWARD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float
    from numpy.typing import ArrayLike

    from throughtime.data.series.frame_format import FrameFormat
    from throughtime.data.series.panel import Panel
    from throughtime.tasks.forecasting.base import AbstractForecaster

_LEVELS = tuple(range(10, 100, 10))  # intervals whose bounds are the quantiles 0.05, 0.1, …, 0.95, except the median


@dataclass(frozen=True)
class Backtest:
    """Forecasts of the past and their scores.

    Attributes:
        forecasts: a frame of unique_id, ds, cutoff, y, throughtime, its intervals, naive, seasonal_naive, …
        windows: held-out windows.
        scores: by method, sMAPE in percent, MASE and RMSE, averaged over series and windows.
        by_step: by method, the mean absolute error of each step in units of MASE.
        by_series: each series with its MASE by method, series where the network is worst first.
        errors: by method, MASE of each series in each window, in the order of `forecasts`: (n,).
        groups: the series and the window of each error, as codes: (n, 2).
        skill: relative improvement on the best naive forecast, with its confidence interval.
        coverage: by level in percent, the share of the actual values inside the intervals.
        msis: by level, the mean scaled interval score.
        pinball: by probability, the loss of that quantile, in units of MASE.
        crps: by method, the continuous ranked probability score in units of MASE: for the forecaster twice the mean of
            `pinball`, for a forecast without quantiles its MASE.
        verdict: summary in sentences.
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


@dataclass(frozen=True)
class WindowResult:
    """Forecasts and actual values of one cutoff; `ids` has one row per series, `stamps` and `cutoffs` have (n, F)."""

    ids: np.ndarray
    stamps: np.ndarray
    cutoffs: np.ndarray
    y: Float[np.ndarray, "n F"]
    scale: Float[np.ndarray, "n 1"]  # the denominator of MASE
    methods: dict[str, Float[np.ndarray, "n F"]]
    bounds: dict[int | float, tuple[np.ndarray, np.ndarray]]
    pinball: dict[float, ArrayLike]  # by probability, (n,)
    season: int  # of the seasonal naive forecast
    mase_lag: int
    weight: float  # of the network in the forecast
    expert: str  # the naive forecast with the remaining weight

    @classmethod
    def of(
        cls,
        trained: AbstractForecaster,
        memoryless: AbstractForecaster | None,
        panel: Panel,
        past: Panel,
        cut: int,
        against: Sequence[str] = (),
    ) -> WindowResult:
        """Forecast a window.

        Args:
            trained: the forecaster.
            memoryless: a feed-forward network to compare it with.
            panel: all steps.
            past: steps before the window.
            cut: steps from the cutoff to the end of each series.
            against: names of external models to compare it with.
        """
        horizon, plan, calibration = trained.horizon, trained.model_.plan, trained.model_.calibration
        levels = sorted(set(trained.levels))
        forecasts = trained.model_.forecast(past, sorted({*levels, *_LEVELS}))
        indices = np.flatnonzero(panel.lengths > cut).tolist()
        cutoffs = list(zip(indices, panel.lengths[indices] - cut, strict=True))
        y = np.stack([panel[i][t : t + horizon] for i, t in cutoffs])
        lag = metrics.mase_season(panel.frequency)
        quantiles = forecasts.quantiles(_LEVELS)
        others = {} if memoryless is None else {FEED_FORWARD: memoryless.model_.forecast(past, ()).point}
        return cls(
            ids=np.array([panel.ids[i] for i in indices]),
            stamps=np.stack([panel.stamps(i, t, horizon) for i, t in cutoffs]),
            cutoffs=np.stack([panel.stamps(i, t - 1, 1) for i, t in cutoffs]).repeat(horizon, 1),
            y=y,
            scale=np.array([[metrics.naive_error(values, lag) or np.nan] for values in past]),
            methods={
                OURS: forecasts.point,
                **others,
                **baseline_forecasts(past, plan),
                **external_forecasts(past, plan, against),
            },
            bounds={level: (forecasts.low[level], forecasts.high[level]) for level in levels},
            pinball={share: metrics.pinball(y, quantile, share) for share, quantile in quantiles.items()},
            season=baseline_season(past, plan),
            mase_lag=lag,
            weight=calibration.weight,
            expert=calibration.expert,
        )


def summarize(windows: list[WindowResult], kind: FrameFormat) -> Backtest:
    """Score the forecasts of all windows."""
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
    best = min(BASELINES, key=lambda name: _mean(errors[name]))
    ids, groups = _ids_and_groups(windows)
    skills = {name: Skill.of(errors[OURS], errors[name], name, groups) for name in {best, "naive"}}
    observed = np.isfinite(y)
    inside = {level: np.where(observed, (y >= lo) & (y <= hi), np.nan) for level, (lo, hi) in bounds.items()}
    coverage = {level: _mean(((y >= lo) & (y <= hi))[observed]) for level, (lo, hi) in bounds.items()}
    msis = {b: _mean(metrics.interval_score(y, low, high, b) / scale[:, 0]) for b, (low, high) in bounds.items()}
    pinball = {
        share: _mean(np.concatenate([w.pinball[share] for w in windows]) / scale[:, 0]) for share in windows[0].pinball
    }
    crps = {name: score["mase"] for name, score in scores.items()} | {OURS: 2 * float(np.mean(list(pinball.values())))}
    season, weights = windows[0].season, [w.weight for w in windows]
    return Backtest(
        forecasts=kind.frame(_columns(windows, ids, y, methods, bounds)),
        windows=len(windows),
        scores=scores,
        by_step=by_step,
        errors=errors,
        groups=groups,
        by_series=mean_errors_by_series(ids, errors, OURS),
        skill=skills[best],
        coverage=coverage,
        msis=msis,
        pinball=pinball,
        crps=crps,
        verdict=backtest_verdict(scores, len(windows), skills, season=season, subject=verdict_subject(weights))
        + network_share_sentence(weights, [w.expert for w in windows])
        + constant_series_sentence(ids[observed.any(1)], scale[observed.any(1), 0])
        + missed_coverage(inside, groups),
        season=season,
        mase_lag=windows[0].mase_lag,
    )


def _ids_and_groups(windows: list[WindowResult]) -> tuple[np.ndarray, np.ndarray]:
    """Return the series of each row, and the codes of its series and window."""
    ids = np.concatenate([w.ids for w in windows])
    window_codes = np.concatenate([np.full(len(w.ids), i) for i, w in enumerate(windows)])
    return ids, np.stack([np.unique(ids, return_inverse=True)[1], window_codes], 1)


def _columns(
    windows: list[WindowResult],
    ids: np.ndarray,
    y: Float[np.ndarray, "n F"],
    methods: dict[str, Float[np.ndarray, "n F"]],
    bounds: dict[int | float, tuple[np.ndarray, ...]],
) -> dict[str, np.ndarray]:
    """Return the columns of the frame of forecasts."""
    columns = {
        "unique_id": ids.repeat(y.shape[1]),
        "ds": np.concatenate([w.stamps for w in windows]).ravel(),
        "cutoff": np.concatenate([w.cutoffs for w in windows]).ravel(),
        "y": y.ravel(),
        OURS: methods[OURS].ravel(),
    }
    for level, (lo, hi) in bounds.items():
        columns[f"{OURS}-lo-{level}"], columns[f"{OURS}-hi-{level}"] = lo.ravel(), hi.ravel()
    return columns | {name: forecast.ravel() for name, forecast in methods.items() if name != OURS}


def _mean(x: ArrayLike) -> float:
    return float(metrics.mean(np.asarray(x, dtype=np.float64)))
