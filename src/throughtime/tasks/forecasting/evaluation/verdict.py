"""The verdict of a backtest: sentences on its scores, and on how significant they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from throughtime.tasks.forecasting.evaluation.baselines import BASELINES
from throughtime.tasks.forecasting.evaluation.external_models import EXTERNAL_MODELS
from throughtime.tasks.forecasting.network.forecast_network import FEED_FORWARD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime.tasks.forecasting.evaluation.skill import Skill

OURS = "throughtime"
"""Name of the row of the forecaster."""

SCORE_TITLES = {
    "mae": "MAE",
    "bias": "bias",
    "wape": "WAPE %",
    "rmse": "RMSE",
    "smape": "sMAPE %",
    "mase": "MASE",
}
"""Names of the scores for a person, with their units unless these are those of the series."""

_MIN_DIFFERENCE = 0.02  # smaller relative differences count as none


def backtest_verdict(
    scores: dict[str, dict[str, float]],
    windows: int,
    skills: dict[str, Skill],
    *,
    season: int = 2,
    subject: str = "The network",
    headline: str = "mase",
) -> str:
    """Compare the forecast with the best naive forecast and with the last value.

    Args:
        scores: by method, as in a `Backtest`.
        windows: held-out windows.
        skills: against the best naive forecast and against the last value.
        season: steps of the season that seasonal naive repeats; 1 without a season.
        subject: what was scored.
        headline: name of the score to compare.
    """
    errors = {name: score[headline] for name, score in scores.items()}
    best = min(BASELINES, key=lambda name: errors[name])
    held_out = f"on {windows} held-out window{'s' if windows > 1 else ''}"
    if not np.isfinite(errors[best]):
        return f"No value is observed {held_out}: the forecasts cannot be scored."
    if not errors[best] > 0:
        return f"{BASELINES[best].capitalize()} is exact {held_out}: nothing is left for a network to learn."
    gain = 1 - errors[OURS] / errors[best]
    usual = "seasonal_naive" if season > 1 else "naive"  # equal without a season
    other = usual if gain >= _MIN_DIFFERENCE else best
    held_out += f" ({_format_score(headline, errors[OURS])} against {_format_number(errors[other])})"
    if gain < -_MIN_DIFFERENCE:
        text = f"{subject} does not win: {BASELINES[best]} is {1 - errors[best] / errors[OURS]:.0%} better {held_out}"
        text += "; the difference is not statistically significant." if skills[best].high > 0 else "."
    elif gain < _MIN_DIFFERENCE:
        text = f"{subject} is as good as {BASELINES[best]}, not better, {held_out}."
    else:
        text = f"{1 - errors[OURS] / errors[usual]:.0%} better than {BASELINES[usual]} {held_out}"
        if best != usual:
            text += f"; {gain:.0%} better than {BASELINES[best]}, the best of the naive forecasts"
    return f"{text.removesuffix('.')}.{_last_value_sentence(best, skills)}{_better_models_sentence(errors)}"


def _format_score(name: str, value: float) -> str:
    return f"{SCORE_TITLES[name]} {_format_number(value)}"


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def verdict_subject(weights: Sequence[float]) -> str:
    """Return what was scored, by the weights of the network in each window: the network, or a blended forecast."""
    return "The network" if all(weight == 1 for weight in weights) else "The forecast"


def network_share_sentence(weights: Sequence[float], experts: Sequence[str]) -> str:
    """Return a sentence on the network's share of the forecast that was scored, where it is not all of it.

    Args:
        weights: of the network in each window.
        experts: names of the naive forecasts with the remaining weights.
    """
    names = {name.replace("_", " ") for weight, name in zip(weights, experts, strict=True) if weight < 1}
    others = " and ".join(f"the {name} forecast" for name in sorted(names))
    low, high = min(weights), max(weights)
    if high == 0:
        return f" In these windows the network has no share in the forecast (0 %): all of it is {others}."
    if low == 1:
        return ""
    shares = " to ".join(f"{weight:.0%}".replace("%", " %") for weight in dict.fromkeys((low, high)))
    return f" In these windows the network's share of the forecast is {shares}, the rest is {others}."


def delivered_share_sentence(weight: float, expert: str) -> str:
    """Return a sentence on the network's share of the forecast that is delivered.

    Args:
        weight: of the network.
        expert: name of the naive forecast with the remaining weight.
    """
    other = f"the {expert.replace('_', ' ')} forecast"
    if weight == 0:
        return f" The network has no share in the delivered forecast (0 %): all of it is {other}."
    if weight == 1:
        return " The delivered forecast is the network's alone (100 %)."
    share = "less than 1 %" if weight < 0.005 else "more than 99 %" if weight > 0.995 else f"{100 * weight:.0f} %"
    return f" The network's share of the delivered forecast is {share}, the rest is {other}."


def constant_series_sentence(ids: np.ndarray, scale: np.ndarray) -> str:
    """Return a sentence on series that MASE leaves out, where it does not leave out all."""
    count, constant = len(np.unique(ids)), len(np.unique(ids[np.isnan(scale)]))
    if not 0 < constant < count:
        return ""
    return f" MASE leaves out windows of {constant} of {count} series: their history before them never changes."


def _last_value_sentence(best: str, skills: dict[str, Skill]) -> str:
    """Return a sentence where the last value may be as good, as for random walks; empty if it was named already."""
    last = skills["naive"]
    named = best == "naive" and last.value < _MIN_DIFFERENCE
    if named or last.low > 0 or last.high < -_MIN_DIFFERENCE or not np.isfinite(last.value):
        return ""
    if not last.value > 0:
        return " It is not better than the last value either."
    return " The improvement on the last value is not statistically significant."


def _better_models_sentence(errors: dict[str, float]) -> str:
    """Return sentences on a network without memory and external models that are better than the forecast."""
    titles = {name: model.title for name, model in EXTERNAL_MODELS.items()}
    titles = {FEED_FORWARD: "A feed-forward network without memory", **titles}
    gains = {name: 1 - errors.get(name, np.inf) / errors[OURS] for name in titles}
    better = {titles[name]: gain for name, gain in gains.items() if gain > _MIN_DIFFERENCE}
    return "".join(f" {title} is {gain:.0%} better than it." for title, gain in better.items())
