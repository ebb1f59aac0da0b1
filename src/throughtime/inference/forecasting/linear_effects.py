"""Linear effects of covariates known in advance, removed from the values before anything reads them, then added back.

The network, the naive forecasts and the autoregression forecast the remainder, so no blend of them shrinks an effect.
Coefficients come from a regression of differences: values minus those one step or one season before, or minus the mean
of several seasons before. Of these the one with the smallest error of the coefficients is taken. Effects that are not
significant are zero. Coefficients estimated from a single series are averaged with those of all series, weighted by the
ratio of the variances.

Sources: Frisch, Waugh 1933, Partial Time Regressions as Compared with Individual Trends, for the differences; James,
Stein 1961, Estimation with Quadratic Loss, for the shrinkage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float

    from throughtime.data.series.covariates import Feature

KNOWN_AHEAD_ROLES = ("future", "static")
"""Roles of the covariates that are known for the steps to forecast."""

_SEASONS_IN_MEAN = 7
_RIDGE = 1e-6  # of the sum of squares of a column
_MIN_T = 2.0  # absolute t statistic of a significant coefficient
_MIN_CHANGES = 2  # changes of a column within a series for a coefficient of that series


@dataclass(frozen=True)
class LinearEffects:
    """Effects on the transformed values, by column of the design matrix.

    Attributes:
        coefficients: of all series: (D,).
        spread: standard deviation between series: (D,).
    """

    coefficients: Float[np.ndarray, "D"]
    spread: Float[np.ndarray, "D"]

    @classmethod
    def none(cls, features: Sequence[Feature]) -> LinearEffects:
        """Return effects of zero."""
        size = design_width(features)
        return cls(np.zeros(size), np.zeros(size))

    @classmethod
    def fit(
        cls, series: list[tuple[np.ndarray, np.ndarray]], season: int, features: Sequence[Feature]
    ) -> LinearEffects:
        """Estimate effects from values (T,), NaN where unknown, and design matrices (T, D) of several series."""
        zero = cls.none(features)
        if not len(zero.coefficients):
            return zero
        candidates = [[_Moments.of(z, x, lag, seasons) for z, x in series] for lag, seasons in _lags(season)]
        best, min_score = zero, np.inf
        for moments in candidates:
            total = _Moments.sum(moments)
            coefficients, variances = total.solve()
            if total.rows > 2 * len(coefficients) and (score := _score(total, variances)) < min_score:
                min_score, best = score, cls(*_pool(moments, coefficients, variances))
        return best

    def of_series(self, z: Float[np.ndarray, "T"], x: Float[np.ndarray, "T D"], season: int) -> Float[np.ndarray, "D"]:
        """Return the coefficients of one series, from its own history as far as series differ."""
        if not self.spread.any():
            return self.coefficients
        coefficients, min_score = self.coefficients, np.inf
        for lag, seasons in _lags(season):
            moments = _Moments.of(z, x, lag, seasons)
            own, variances = moments.solve()
            usable = (moments.changes >= _MIN_CHANGES) & (moments.rows > 2 * len(own)) & (self.spread > 0)
            score = float(np.log(variances[usable]).mean()) if usable.any() else np.inf
            if score < min_score:
                share = np.where(usable, self.spread**2 / (self.spread**2 + variances + 1e-300), 0.0)
                min_score, coefficients = score, self.coefficients + share * (own - self.coefficients)
        return coefficients


@dataclass(frozen=True)
class _Moments:
    """Sums of squares and products of a regression of differences, in total and by cluster of neighbouring steps."""

    squares: Float[np.ndarray, "D D"]
    products: Float[np.ndarray, "D"]
    total: float  # sum of the squared values
    rows: int
    changes: np.ndarray  # non-zero differences of each column: (D,)
    clusters: list[tuple[np.ndarray, np.ndarray]]  # squares and products of each

    @classmethod
    def of(cls, z: np.ndarray, x: np.ndarray, lag: int, seasons: int) -> _Moments:
        y, d = _difference(z[:, None], lag, seasons)[:, 0], _difference(x[: len(z)], lag, seasons)
        observed = np.isfinite(y) & np.isfinite(d).all(1)
        y, d, steps = y[observed], d[observed], np.flatnonzero(observed)
        if len(y):
            median, deviation = np.median(y), np.median(np.abs(y - np.median(y)))
            y = np.clip(y, median - 30 * deviation, median + 30 * deviation) if deviation > 0 else y
        groups = steps // max(4 * lag, 12)
        clusters = [(d[groups == g].T @ d[groups == g], d[groups == g].T @ y[groups == g]) for g in np.unique(groups)]
        changes = (np.abs(d) > 1e-9).sum(0)
        return cls(d.T @ d, d.T @ y, float(y @ y), len(y), changes, clusters)

    @classmethod
    def sum(cls, moments: list[_Moments]) -> _Moments:
        return cls(
            np.sum([m.squares for m in moments], 0),
            np.sum([m.products for m in moments], 0),
            sum(m.total for m in moments),
            sum(m.rows for m in moments),
            np.sum([m.changes for m in moments], 0),
            [cluster for m in moments for cluster in m.clusters],
        )

    def solve(self) -> tuple[Float[np.ndarray, "D"], Float[np.ndarray, "D"]]:
        """Return coefficients and their variances, robust against correlation within clusters."""
        diagonal = self.squares.diagonal()
        inverse = np.linalg.pinv(self.squares + np.diag(_RIDGE * diagonal + 1e-9), hermitian=True)
        coefficients = inverse @ self.products
        scores = np.array([p - s @ coefficients for s, p in self.clusters]).reshape(-1, len(coefficients))
        count = len(scores)
        robust = inverse @ (scores.T @ scores) @ inverse * count / max(count - 1, 1)
        residual = max(self.total - float(coefficients @ self.products), 0.0) / max(self.rows - len(coefficients), 1)
        variances = np.maximum(robust.diagonal(), residual * inverse.diagonal())
        return coefficients, np.where(diagonal > 0, variances, np.inf)


def design_width(features: Sequence[Feature]) -> int:
    """Return the number of columns of a design matrix: D."""
    return sum(len(feature.categories) - 1 if feature.categories else 1 for feature in features if is_linear(feature))


def design(covariates: Float[np.ndarray, "T C"], features: Sequence[Feature]) -> Float[np.ndarray, "T D"]:
    """Return the design matrix: numbers in standard deviations, and a 0/1 column per category except the most frequent.

    A category not seen in training is the mean of all categories, weighted by their frequency.
    """
    columns = [np.zeros((len(covariates), 0))]
    for c, feature in enumerate(features):
        if not is_linear(feature):
            continue
        values = covariates[:, c]
        if feature.categories:
            one_hot = 1.0 * (values[:, None] == np.arange(2, len(feature.categories) + 1))
            columns.append(np.where(values[:, None] == 0, feature.shares[1:], one_hot))
        elif feature.flag:
            columns.append(np.nan_to_num(values)[:, None])
        else:
            columns.append(np.nan_to_num((values - feature.mean) / feature.scale)[:, None])
    return np.concatenate(columns, 1)


def is_linear(feature: Feature) -> bool:
    """Return whether a feature has a linear effect: the sines and cosines of the calendar are left to the network."""
    return feature.role == "future" and not ("_sin_" in feature.name or "_cos_" in feature.name)


def _lags(season: int) -> list[tuple[int, int]]:
    """Return pairs of a lag and the number of lags whose mean is subtracted."""
    return list(dict.fromkeys([(1, 1), (season, 1), (season, _SEASONS_IN_MEAN)]))


def _difference(x: Float[np.ndarray, "T D"], lag: int, seasons: int) -> Float[np.ndarray, "T D"]:
    """Subtract the mean of `seasons` earlier values, a lag apart; NaN where one of them is unknown."""
    earlier = np.full((seasons, *x.shape), np.nan)
    for i in range(seasons):
        shift = lag * (i + 1)
        if shift < len(x):
            earlier[i, shift:] = x[:-shift]
    return x - earlier.mean(0)


def _score(total: _Moments, variances: np.ndarray) -> float:
    """Return the mean logarithm of the variances: the lower, the better."""
    positive = np.isfinite(variances) & (variances > 0)
    return float(np.log(variances[positive]).mean()) if positive.any() else -np.inf if (total.rows > 0) else np.inf


def _pool(moments: list[_Moments], coefficients: np.ndarray, variances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shrink coefficients and set those that are not significant to zero; return them and their spread."""
    spread = _spread(moments)
    min_t = max(_MIN_T, float(np.sqrt(2 * np.log(max(len(coefficients), 1)))))
    squared_t = coefficients**2 / np.maximum(variances, 1e-300)
    significant = np.isfinite(variances) & (squared_t > min_t**2)
    shrunk = np.where(significant, coefficients * (1 - 1 / np.maximum(squared_t, 1.0)), 0.0)
    return shrunk, np.where(significant | (spread > 0), spread, 0.0)


def _spread(moments: list[_Moments]) -> Float[np.ndarray, "D"]:
    """Return the standard deviation of coefficients between series beyond what chance explains."""
    own, variances = [], []
    for series in moments:
        coefficients, variance = series.solve()
        usable = (series.changes >= _MIN_CHANGES) & (series.rows > 2 * len(coefficients))
        usable = usable & np.isfinite(variance) & (variance > 0)
        own.append(np.where(usable, coefficients, np.nan))
        variances.append(np.where(usable, variance, np.nan))
    own, weights = np.array(own), 1 / np.array(variances)
    count = np.isfinite(own).sum(0)
    sums, squares = np.nansum(weights, 0), np.nansum(weights**2, 0)
    mean = np.nansum(weights * own, 0) / np.maximum(sums, 1e-300)
    excess = np.nansum(weights * (own - mean) ** 2, 0) - (count - 1) - 2 * np.sqrt(2 * np.maximum(count - 1, 0))
    variance = excess / np.maximum(sums - squares / np.maximum(sums, 1e-300), 1e-300)
    return np.sqrt(np.where((count > 1) & (excess > 0), variance, 0.0))
