"""Significance of what a backtest says: skill with its bootstrap interval, and coverage that misses its level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

_SAMPLES = 2000
_COVERAGE_TOLERANCE = 0.03  # smaller differences between coverage and level are not reported


@dataclass(frozen=True)
class Skill:
    """The relative reduction of another forecast's error, with its 95 % confidence interval.

    Attributes:
        against: name of the other forecast.
        value: 1 - error / error of the other, over all series and windows.
        low: lower end of the interval; minus infinity where there is a single series in a single window.
        high: upper end of the interval; infinity in the same case.
    """

    against: str
    value: float
    low: float
    high: float

    @classmethod
    def of(
        cls,
        errors: Float[np.ndarray, "n"],
        others: Float[np.ndarray, "n"],
        against: str,
        groups: Int[np.ndarray, "n G"] | None = None,
    ) -> Skill:
        """Compute the skill from the errors of both forecasts, NaN where unknown.

        The interval holds the percentiles over resampled series and resampled windows, each as a whole: errors of
        series that move together are correlated. Source: Owen 2007, The Pigeonhole Bootstrap.

        Args:
            errors: of the forecast.
            others: of the other forecast.
            against: name of the other forecast.
            groups: the series and the window of each error, as codes; without, all errors count as independent.
        """
        groups = np.arange(len(errors))[:, None] if groups is None else groups
        finite = np.isfinite(errors) & np.isfinite(others)
        errors, others, groups = errors[finite], others[finite], groups[finite]
        if not others.sum() > 0:
            return cls(against, np.nan, np.nan, np.nan)
        value = float(1 - errors.sum() / others.sum())
        if all(len(np.unique(codes)) == 1 for codes in groups.T):
            return cls(against, value, -np.inf, np.inf)
        random, weights = np.random.default_rng(0), np.ones((1, 1))
        for codes in groups.T:
            names, indices = np.unique(codes, return_inverse=True)
            counts = random.multinomial(len(names), np.full(len(names), 1 / len(names)), _SAMPLES)
            weights = weights * counts[:, indices]
        sums = weights @ others
        values = 1 - weights @ errors / np.where(sums > 0, sums, np.nan)
        low, high = np.nanpercentile(values, [2.5, 97.5])
        return cls(against, value, float(low), float(high))

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "not defined (the other forecast has no error)"
        value, low, high = (_format_percent(share) for share in (self.value, self.low, self.high))
        if not np.isfinite(self.low):
            return f"{value} (one series in one window gives no interval)"
        return f"{value} ({low} to {high} with 95 % probability)"


def _format_percent(share: float) -> str:
    """Format a share in whole percent, without the sign of a zero."""
    return f"{share:.0%}".replace("-0%", "0%") if abs(share) < 0.01 else f"{share:.0%}"


def missed_coverage(inside: dict[int | float, Float[np.ndarray, "n F"]], groups: Int[np.ndarray, "n G"]) -> str:
    """Return a sentence on the levels that intervals miss significantly; an empty text where there are none.

    Args:
        inside: by level in percent, 1 for values within the interval, 0 for others, NaN where unknown.
        groups: the series and the window of each row, as codes.
    """
    missed = []
    for level, values in inside.items():
        finite = np.isfinite(values)
        if not finite.any():
            continue
        share = values[finite].mean()
        excess = np.where(finite, values - share, 0.0).sum(1)
        # Errors are correlated within a window and within a series: the larger of the two variances counts.
        # Few values that are all on one side have no variance: the lower bound is that of independent values.
        sums = [np.bincount(np.unique(codes, return_inverse=True)[1], excess) for codes in groups.T]
        errors = [np.sqrt(len(s) / (len(s) - 1) * (s**2).sum()) / finite.sum() for s in sums if len(s) > 1]
        min_error = np.sqrt(level / 100 * (1 - level / 100) / finite.sum())
        if errors and abs(share - level / 100) > _COVERAGE_TOLERANCE + 2 * max(*errors, min_error):
            missed.append(f"the {level:g} % interval contained {share:.0%} of the values")
    return f" The intervals miss their level: {', '.join(missed)}." if missed else ""
