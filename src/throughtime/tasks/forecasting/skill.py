"""How sure the difference between two forecasts is, and where it lies: skill with its bootstrap, errors by series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SAMPLES = 2000


@dataclass(frozen=True)
class Skill:
    """The share of another forecast's error that is saved, and the interval that holds it with 95 % probability.

    Attributes:
        against: name of the other forecast.
        value: 1 - error / error of the other, over all series and windows.
        low: lower end of the interval.
        high: upper end of the interval.
    """

    against: str
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, errors: np.ndarray, others: np.ndarray, against: str) -> Skill:
        """From the errors of both, one for each series and window, NaN where unknown.

        The interval is that of the percentiles over resampled series and windows. Source: Efron and Tibshirani 1993,
        An Introduction to the Bootstrap.
        """
        known = np.isfinite(errors) & np.isfinite(others)
        errors, others = errors[known], others[known]
        if not others.sum() > 0:
            return cls(against, np.nan, np.nan, np.nan)
        drawn = np.random.default_rng(0).integers(0, len(errors), (_SAMPLES, len(errors)))
        sums = others[drawn].sum(1)
        shares = 1 - errors[drawn].sum(1) / np.where(sums > 0, sums, np.nan)
        low, high = np.nanpercentile(shares, [2.5, 97.5])
        return cls(against, float(1 - errors.sum() / others.sum()), float(low), float(high))

    def __str__(self) -> str:
        return f"{self.value:.0%} ({self.low:.0%} to {self.high:.0%} with 95 % probability)"


def by_series(ids: np.ndarray, errors: dict[str, np.ndarray], ours: str) -> list[tuple[object, dict[str, float]]]:
    """The mean error of each series over its windows, by method; series where `ours` did worst first."""
    names, codes = np.unique(ids, return_inverse=True)
    means = {}
    for method, values in errors.items():
        known = np.isfinite(values)
        sums = np.bincount(codes[known], values[known], len(names))
        counts = np.bincount(codes[known], minlength=len(names))
        means[method] = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    order = np.argsort(-np.nan_to_num(means[ours], nan=-np.inf), kind="stable")
    return [(names[i].item(), {method: float(mean[i]) for method, mean in means.items()}) for i in order]
