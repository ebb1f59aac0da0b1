"""Scores of a backtest as text and as records, for the screen, the report and files."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from throughtime.tasks.forecasting import Backtest

OURS = "throughtime"

_MAX_RECORDED = 10_000  # series in the record of a run


def method_label(method: str) -> str:
    """Return the name of a method of a backtest for a person."""
    from throughtime.tasks.forecasting.evaluation.external_models import EXTERNAL_MODELS

    networks = {OURS: "this forecast", "feed_forward": "feed-forward network"}
    external = {name: model.title for name, model in EXTERNAL_MODELS.items()}
    return (networks | external).get(method, method.replace("_", " "))


def format_score(value: float) -> str:
    """Return a score with four digits; a dash if it is not defined, such as the MASE of a constant series."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def measures(backtest: Backtest) -> dict[str, str]:
    """Return the names of the scores to show and their titles: without sMAPE where actual values are zero."""
    from throughtime.tasks.forecasting.evaluation.verdict import SCORE_TITLES

    return {name: title for name, title in SCORE_TITLES.items() if not (name == "smape" and backtest.has_zeros)}


def best_scores(backtest: Backtest) -> dict[str, float]:
    """Return the best value of each score: the one closest to zero."""
    columns = {name: [score[name] for score in backtest.scores.values()] for name in measures(backtest)}
    return {name: min(filter(math.isfinite, column), key=abs, default=math.nan) for name, column in columns.items()}


def describe_measures(backtest: Backtest, unit: str) -> str:
    """Return sentences on the units of the scores.

    Args:
        backtest: with the scores.
        unit: what the values of the series are called, '' for values without a name.
    """
    text = f"MAE, bias (above 0: too high) and RMSE are in units of {unit or 'the series'}."
    text += f" MASE divides by {describe_mase_unit(backtest)}."
    if backtest.has_zeros:
        text += " sMAPE is left out: of an actual value of zero it is 200 % for every forecast but zero."
    return text


def series_records(backtest: Backtest) -> list[dict[str, Any]]:
    """Return the scores of each series, the worst first, next to the error of the best naive forecast."""
    other = backtest.skill.against
    return [
        {"unique_id": name, **scores[OURS], "baseline": other, "baseline_mae": scores[other]["mae"]}
        for name, scores in backtest.by_series
    ]


def recorded_series(backtest: Backtest) -> list[dict[str, Any]]:
    """Return the records of the worst series with six digits: what a record of limited size holds of them."""
    records = series_records(backtest)[:_MAX_RECORDED]
    return [
        {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in record.items()}
        for record in records
    ]


def describe_intervals(backtest: Backtest) -> str:
    """Return the coverage and the scores of the intervals as sentences."""
    sentences = [
        f"The {level} % interval held {coverage:.0%} of the actual values (MSIS {format_score(backtest.msis[level])})."
        for level, coverage in backtest.coverage.items()
        if math.isfinite(coverage)
    ]
    return " ".join([*sentences, f"CRPS {format_score(backtest.crps['throughtime'])} in units of MASE."])


def describe_mase_unit(backtest: Backtest) -> str:
    """Return what MASE divides by."""
    if backtest.mase_lag == 1:
        return "the mean absolute change from one value to the next in the history"
    unit = f"the mean absolute change over {backtest.mase_lag} steps in the history"
    return f"{unit} (from one value to the next if the history is not longer than that)"
