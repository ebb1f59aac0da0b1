"""Linear effects of what is known in advance, removed from values before anything else reads them, and added back.

The network, the naive forecasts and the autoregression all forecast what is left, so that no blend of them shrinks an
effect. Coefficients are those of a regression of differences: of values from those a step or a season before, or from
the mean of several seasons before; of these, the one with the smallest error of the coefficients is taken. An effect
that is not significant is zero. Coefficients of a series of its own are averaged with those of all series, by the
ratio of their variances.

Sources: Frisch, Waugh 1933, Partial Time Regressions as Compared with Individual Trends, for the differences; James,
Stein 1961, Estimation with Quadratic Loss, for the shrinkage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime.data.series.covariates import Feature

_SEASONS_IN_MEAN = 7
_RIDGE = 1e-6  # of the sum of squares of a column
_LEAST_T = 2.0  # absolute t statistic of one coefficient that is significant
_FEWEST = 2  # changes of a column in a series with coefficients of its own


@dataclass(frozen=True)
class LinearEffects:
    """Effects on what the network sees, as numbers of columns that are known in advance.

    Attributes:
        coefficients: of all series: (D,).
        spread: standard deviation between series: (D,).
    """

    coefficients: np.ndarray
    spread: np.ndarray

    @classmethod
    def none(cls, features: Sequence[Feature]) -> LinearEffects:
        """Return effects of zero."""
        size = width(features)
        return cls(np.zeros(size), np.zeros(size))

    @classmethod
    def fit(
        cls, series: list[tuple[np.ndarray, np.ndarray]], season: int, features: Sequence[Feature]
    ) -> LinearEffects:
        """Estimate effects from values (T,), NaN where unknown, and design matrices (T, D) of series."""
        zero = cls.none(features)
        if not len(zero.coefficients):
            return zero
        fits = [[_Moments.of(z, x, lag, seasons) for z, x in series] for lag, seasons in _lags(season)]
        best, error = zero, np.inf
        for moments in fits:
            total = _Moments.sum(moments)
            coefficients, variances = total.solve()
            if total.rows > 2 * len(coefficients) and (score := _score(total, variances)) < error:
                error, best = score, cls(*_pool(moments, coefficients, variances))
        return best

    def of_series(self, z: np.ndarray, x: np.ndarray, season: int) -> np.ndarray:
        """Return the coefficients of a series, from its own history as far as series differ: (D,)."""
        if not self.spread.any():
            return self.coefficients
        found, error = self.coefficients, np.inf
        for lag, seasons in _lags(season):
            moments = _Moments.of(z, x, lag, seasons)
            own, variances = moments.solve()
            usable = (moments.changes >= _FEWEST) & (moments.rows > 2 * len(own)) & (self.spread > 0)
            score = float(np.log(variances[usable]).mean()) if usable.any() else np.inf
            if score < error:
                share = np.where(usable, self.spread**2 / (self.spread**2 + variances + 1e-300), 0.0)
                error, found = score, self.coefficients + share * (own - self.coefficients)
        return found


@dataclass(frozen=True)
class _Moments:
    """Sums of a regression of differences of one or several series, and those of their squares by cluster."""

    squares: np.ndarray  # (D, D)
    products: np.ndarray  # (D,)
    total: float
    rows: int
    changes: np.ndarray  # (D,)
    clusters: list[tuple[np.ndarray, np.ndarray]]  # of each: squares and products

    @classmethod
    def of(cls, z: np.ndarray, x: np.ndarray, lag: int, seasons: int) -> _Moments:
        y, d = _difference(z[:, None], lag, seasons)[:, 0], _difference(x[: len(z)], lag, seasons)
        known = np.isfinite(y) & np.isfinite(d).all(1)
        y, d, at = y[known], d[known], np.flatnonzero(known)
        if len(y):
            middle, deviation = np.median(y), np.median(np.abs(y - np.median(y)))
            y = np.clip(y, middle - 30 * deviation, middle + 30 * deviation) if deviation > 0 else y
        groups = at // max(4 * lag, 12)
        parts = [(d[groups == g].T @ d[groups == g], d[groups == g].T @ y[groups == g]) for g in np.unique(groups)]
        changes = (np.abs(d) > 1e-9).sum(0)
        return cls(d.T @ d, d.T @ y, float(y @ y), len(y), changes, parts)

    @classmethod
    def sum(cls, moments: list[_Moments]) -> _Moments:
        return cls(
            np.sum([m.squares for m in moments], 0),
            np.sum([m.products for m in moments], 0),
            sum(m.total for m in moments),
            sum(m.rows for m in moments),
            np.sum([m.changes for m in moments], 0),
            [part for m in moments for part in m.clusters],
        )

    def solve(self) -> tuple[np.ndarray, np.ndarray]:
        """Return coefficients and their variances, robust against correlation within clusters: (D,) each."""
        diagonal = self.squares.diagonal()
        inverse = np.linalg.pinv(self.squares + np.diag(_RIDGE * diagonal + 1e-9), hermitian=True)
        coefficients = inverse @ self.products
        scores = np.array([p - s @ coefficients for s, p in self.clusters]).reshape(-1, len(coefficients))
        count = len(scores)
        robust = inverse @ (scores.T @ scores) @ inverse * count / max(count - 1, 1)
        residual = max(self.total - float(coefficients @ self.products), 0.0) / max(self.rows - len(coefficients), 1)
        variances = np.maximum(robust.diagonal(), residual * inverse.diagonal())
        return coefficients, np.where(diagonal > 0, variances, np.inf)


def width(features: Sequence[Feature]) -> int:
    """Return the number of columns of a design matrix: D."""
    return sum(len(feature.categories) - 1 if feature.categories else 1 for feature in features if _is_linear(feature))


def design(course: np.ndarray, features: Sequence[Feature]) -> np.ndarray:
    """Return numbers in standard deviations, and 0 or 1 for each word but the most frequent, for each step: (T, D).

    A word that training has not seen is the mean of all words, each as often as it came.
    """
    columns = [np.zeros((len(course), 0))]
    for c, feature in enumerate(features):
        if not _is_linear(feature):
            continue
        values = course[:, c]
        if feature.categories:
            words = 1.0 * (values[:, None] == np.arange(2, len(feature.categories) + 1))
            columns.append(np.where(values[:, None] == 0, feature.shares[1:], words))
        elif feature.flag:
            columns.append(np.nan_to_num(values)[:, None])
        else:
            columns.append(np.nan_to_num((values - feature.mean) / feature.scale)[:, None])
    return np.concatenate(columns, 1)


def _is_linear(feature: Feature) -> bool:
    """Return whether a feature has a linear effect: the sines and cosines of the calendar are left to the network."""
    return feature.role == "future" and not ("_sin_" in feature.name or "_cos_" in feature.name)


def _lags(season: int) -> list[tuple[int, int]]:
    """Return lags, and the numbers of them whose mean is subtracted."""
    return list(dict.fromkeys([(1, 1), (season, 1), (season, _SEASONS_IN_MEAN)]))


def _difference(x: np.ndarray, lag: int, seasons: int) -> np.ndarray:
    """Return x (T, D) less the mean of so many values before, a lag apart; NaN where that is unknown."""
    before = np.full((seasons, *x.shape), np.nan)
    for i in range(seasons):
        shift = lag * (i + 1)
        if shift < len(x):
            before[i, shift:] = x[:-shift]
    return x - before.mean(0)


def _score(total: _Moments, variances: np.ndarray) -> float:
    known = np.isfinite(variances) & (variances > 0)
    return float(np.log(variances[known]).mean()) if known.any() else -np.inf if (total.rows > 0) else np.inf


def _pool(moments: list[_Moments], coefficients: np.ndarray, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return coefficients without those that are not significant, and their spread between series."""
    spread = _spread(moments)
    least = max(_LEAST_T, float(np.sqrt(2 * np.log(max(len(coefficients), 1)))))
    squared_t = coefficients**2 / np.maximum(variances, 1e-300)
    significant = np.isfinite(variances) & (squared_t > least**2)
    shrunk = np.where(significant, coefficients * (1 - 1 / np.maximum(squared_t, 1.0)), 0.0)
    return shrunk, np.where(significant | (spread > 0), spread, 0.0)


def _spread(moments: list[_Moments]) -> np.ndarray:
    """Return the standard deviation of coefficients between series beyond what chance explains: (D,)."""
    own, variances = [], []
    for each in moments:
        found, variance = each.solve()
        usable = (each.changes >= _FEWEST) & (each.rows > 2 * len(found)) & np.isfinite(variance) & (variance > 0)
        own.append(np.where(usable, found, np.nan))
        variances.append(np.where(usable, variance, np.nan))
    own, weights = np.array(own), 1 / np.array(variances)
    count = np.isfinite(own).sum(0)
    sums, squares = np.nansum(weights, 0), np.nansum(weights**2, 0)
    mean = np.nansum(weights * own, 0) / np.maximum(sums, 1e-300)
    excess = np.nansum(weights * (own - mean) ** 2, 0) - (count - 1) - 2 * np.sqrt(2 * np.maximum(count - 1, 0))
    variance = excess / np.maximum(sums - squares / np.maximum(sums, 1e-300), 1e-300)
    return np.sqrt(np.where((count > 1) & (excess > 0), variance, 0.0))
