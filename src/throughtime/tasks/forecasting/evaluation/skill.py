"""How sure the difference between two forecasts is, and where it lies: skill with its bootstrap, errors by series."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_SAMPLES = 2000
_TOLERATED = 0.03  # difference of a coverage from its level that is not worth a sentence


@dataclass(frozen=True)
class Skill:
    """The share of another forecast's error that is saved, and the interval that holds it with 95 % probability.

    Attributes:
        against: name of the other forecast.
        value: 1 - error / error of the other, over all series and windows.
        low: lower end of the interval; minus infinity where one series in one window tells nothing of it.
        high: upper end of the interval; infinity likewise.
    """

    against: str
    value: float
    low: float
    high: float

    @classmethod
    def of(cls, errors: np.ndarray, others: np.ndarray, against: str, groups: np.ndarray | None = None) -> Skill:
        """From the errors of both, NaN where unknown, and the series and the window of each as codes, (n, 2).

        The interval is that of the percentiles over resampled series and resampled windows, each as a whole: series
        that move together err together. Without places, all errors count as independent. Source: Owen 2007, The
        Pigeonhole Bootstrap.
        """
        groups = np.arange(len(errors))[:, None] if groups is None else groups
        known = np.isfinite(errors) & np.isfinite(others)
        errors, others, groups = errors[known], others[known], groups[known]
        if not others.sum() > 0:
            return cls(against, np.nan, np.nan, np.nan)
        value = float(1 - errors.sum() / others.sum())
        if all(len(np.unique(codes)) == 1 for codes in groups.T):
            return cls(against, value, -np.inf, np.inf)
        random, weights = np.random.default_rng(0), np.ones((1, 1))
        for codes in groups.T:
            names, at = np.unique(codes, return_inverse=True)
            weights = weights * random.multinomial(len(names), np.full(len(names), 1 / len(names)), _SAMPLES)[:, at]
        sums = weights @ others
        shares = 1 - weights @ errors / np.where(sums > 0, sums, np.nan)
        low, high = np.nanpercentile(shares, [2.5, 97.5])
        return cls(against, value, float(low), float(high))

    def __str__(self) -> str:
        if np.isnan(self.value):
            return "not defined (no error of the other forecast that MASE can measure)"
        value, low, high = (_percent(share) for share in (self.value, self.low, self.high))
        if not np.isfinite(self.low):
            return f"{value} (one series in one window does not tell how sure that is)"
        return f"{value} ({low} to {high} with 95 % probability)"


def _percent(share: float) -> str:
    """A share in whole percent, without the sign of a zero."""
    return f"{share:.0%}".replace("-0%", "0%") if abs(share) < 0.01 else f"{share:.0%}"


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


def missed_coverage(inside: dict[int | float, np.ndarray], groups: np.ndarray) -> str:
    """Return a sentence on the levels that intervals miss by more than chance explains; empty where there are none.

    Args:
        inside: by level in percent, 1 for values within the interval, 0 for others, NaN where unknown: (n, F).
        groups: the series and the window of each row, as codes: (n, 2).
    """
    missed = []
    for level, values in inside.items():
        known = np.isfinite(values)
        if not known.any():
            continue
        share = values[known].mean()
        excess = np.where(known, values - share, 0.0).sum(1)
        # Series of one window err together, and so do windows of one series: the larger variance of the two counts.
        # Few values that all lie on one side show no variance: the error is at least that of independent values.
        sums = [np.bincount(np.unique(codes, return_inverse=True)[1], excess) for codes in groups.T]
        errors = [np.sqrt(len(s) / (len(s) - 1) * (s**2).sum()) / known.sum() for s in sums if len(s) > 1]
        least = np.sqrt(level / 100 * (1 - level / 100) / known.sum())
        if errors and abs(share - level / 100) > _TOLERATED + 2 * max(*errors, least):
            missed.append(f"the {level:g} % interval contained {share:.0%} of the values")
    return f" The intervals miss their level: {', '.join(missed)}." if missed else ""
