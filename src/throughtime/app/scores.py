"""Scores of a backtest as they are written on the screen and in the report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from throughtime.tasks.forecasting import Backtest

MEASURES = {"smape": "sMAPE %", "mase": "MASE", "rmse": "RMSE"}
"""Names of the measures, and what stands above their columns."""


def label(method: str, cell: str) -> str:
    """What a method of a backtest is called."""
    from throughtime.tasks.forecasting.evaluation.external_models import EXTERNAL_MODELS

    networks = {"throughtime": f"network ({cell.upper()})", "feed_forward": "feed-forward network"}
    others = {name: rival.title for name, rival in EXTERNAL_MODELS.items()}
    return (networks | others).get(method, method.replace("_", " "))


def written(value: float) -> str:
    """A score in four digits; a dash where there is none, as MASE of a series without any change."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def best(backtest: Backtest) -> dict[str, float]:
    """The lowest score of each measure."""
    columns = {m: [score[m] for score in backtest.scores.values()] for m in MEASURES}
    return {m: min(filter(math.isfinite, column), default=math.nan) for m, column in columns.items()}


def intervals(backtest: Backtest) -> str:
    """How good the intervals were, in words."""
    parts = [
        f"The {level} % interval held {share:.0%} of the actual values (MSIS {written(backtest.msis[level])})."
        for level, share in backtest.coverage.items()
        if math.isfinite(share)
    ]
    return " ".join([*parts, f"CRPS {written(backtest.crps['throughtime'])} in units of MASE."])


def describe_mase_unit(backtest: Backtest) -> str:
    """What MASE divides by, in words."""
    if backtest.mase_lag == 1:
        return "the mean absolute change from one value to the next in the history"
    over = f"the mean absolute change over {backtest.mase_lag} steps in the history"
    return f"{over} (from one value to the next where it is no longer than that)"
