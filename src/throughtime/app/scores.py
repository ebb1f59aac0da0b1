"""Scores of a backtest as text, for the screen and for the report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from throughtime.tasks.forecasting import Backtest

MEASURES = {"smape": "sMAPE %", "mase": "MASE", "rmse": "RMSE"}
"""Names of the measures, and the headings of their columns."""


def method_label(method: str, cell: str) -> str:
    """Return the name of a method of a backtest for a person."""
    from throughtime.tasks.forecasting.evaluation.external_models import EXTERNAL_MODELS

    networks = {"throughtime": f"network ({cell.upper()})", "feed_forward": "feed-forward network"}
    external = {name: model.title for name, model in EXTERNAL_MODELS.items()}
    return (networks | external).get(method, method.replace("_", " "))


def format_score(value: float) -> str:
    """Return a score with four digits; a dash if it is not defined, such as the MASE of a constant series."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def best_scores(backtest: Backtest) -> dict[str, float]:
    """Return the lowest score of each measure."""
    columns = {m: [score[m] for score in backtest.scores.values()] for m in MEASURES}
    return {m: min(filter(math.isfinite, column), default=math.nan) for m, column in columns.items()}


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
