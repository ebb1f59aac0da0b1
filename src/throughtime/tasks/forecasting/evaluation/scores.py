"""Scores of forecasts, over all series and of each of them, and the score of a headline.

The scores of a series in a window are averaged over windows and series, except WAPE: it divides the sum of all absolute
errors by the sum of all absolute values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime.tasks.forecasting.evaluation import metrics

if TYPE_CHECKING:
    from jaxtyping import Float, Int

Scores = dict[str, float]
"""MAE, bias and RMSE in units of the series, WAPE and sMAPE in percent, MASE without a unit; by name."""

SCORES = ("mae", "bias", "wape", "rmse", "smape", "mase")
"""Names of the scores."""


@dataclass(frozen=True)
class RowScores:
    """Scores of a method for each series in each window, NaN where they are not defined.

    Attributes:
        means: by name, the scores that are averaged.
        errors: sums of the absolute errors.
        sizes: sums of the absolute values that were forecast.
    """

    means: dict[str, Float[np.ndarray, "n"]]
    errors: Float[np.ndarray, "n"]
    sizes: Float[np.ndarray, "n"]

    @classmethod
    def of(
        cls, y: Float[np.ndarray, "n F"], forecast: Float[np.ndarray, "n F"], scale: Float[np.ndarray, "n 1"]
    ) -> RowScores:
        """Score forecasts.

        Args:
            y: actual values, NaN where unknown.
            forecast: of them.
            scale: denominators of MASE, NaN for series that never change.
        """
        error, is_known = np.abs(y - forecast), np.isfinite(y - forecast)
        mae = np.asarray(metrics.mean(error))
        means = {
            "mae": mae,
            "bias": np.asarray(metrics.mean(forecast - y)),
            "rmse": np.asarray(metrics.rmse(y, forecast)),
            "smape": np.asarray(metrics.smape(y, forecast)),
            "mase": mae / scale[:, 0],
        }
        return cls(means, np.where(is_known, error, 0.0).sum(1), np.where(is_known, np.abs(y), 0.0).sum(1))

    def overall(self) -> Scores:
        """Return the scores over all series and windows."""
        means = {name: float(metrics.mean(values)) for name, values in self.means.items()}
        return _ordered(means, float(self.errors.sum()), float(self.sizes.sum()))

    def by_group(self, codes: Int[np.ndarray, "n"], count: int) -> list[Scores]:
        """Return the scores of each of `count` groups; `codes` are those of the rows."""
        columns = {}
        for name, values in self.means.items():
            finite = np.isfinite(values)
            sums = np.bincount(codes[finite], values[finite], count)
            counts = np.bincount(codes[finite], minlength=count)
            columns[name] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        errors, sizes = (np.bincount(codes, sums, count) for sums in (self.errors, self.sizes))
        return [
            _ordered({name: float(column[i]) for name, column in columns.items()}, float(errors[i]), float(sizes[i]))
            for i in range(count)
        ]


def _ordered(means: Scores, errors: float, sizes: float) -> Scores:
    scores = means | {"wape": 100 * errors / sizes if sizes > 0 else np.nan}
    return {name: scores[name] for name in SCORES}


def choose_headline(ours: Scores, series: int) -> str:
    """Return the score of a headline: defined for the data, and in their units for a single series.

    Several series may have different units: MASE weighs them alike. Where it is not defined, because no series changes
    before the windows, it is WAPE, and MAE where all values are zero. sMAPE is not among them: of a zero it is
    200 % for every forecast but zero.

    Args:
        ours: scores of the forecaster.
        series: number of series.
    """
    if series == 1:
        return "mae"
    return next((name for name in ("mase", "wape") if np.isfinite(ours[name])), "mae")


def scores_by_series(
    ids: np.ndarray, rows: dict[str, RowScores], ours: str, headline: str
) -> list[tuple[Any, dict[str, Scores]]]:
    """Return the scores of each series over its windows, by method.

    Series where `ours` has the largest headline score are first, those where it is not defined last.
    """
    names, codes = np.unique(ids, return_inverse=True)
    scores = {method: row.by_group(codes, len(names)) for method, row in rows.items()}
    worst = np.array([score[headline] for score in scores[ours]])
    order = np.argsort(-np.nan_to_num(worst, nan=-np.inf), kind="stable")
    return [(names[i].item(), {method: score[i] for method, score in scores.items()}) for i in order]
