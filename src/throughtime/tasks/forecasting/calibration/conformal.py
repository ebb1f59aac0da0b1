"""Conformal calibration: typical errors by step, quantiles and paths of held-out residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

_QUANTILES = 400
_MAX_PATHS = 200
_MIN_HORIZONS = 30  # with fewer, Student's quantiles are lower bounds of the empirical ones
_PRIOR_HORIZONS = 4  # weight of the prior errors, in held-out horizons
_LEVEL_FACTOR = 0.3  # levels are raised by 1 + 0.3 / horizons: quantiles of few errors miss the largest ones
_MAX_JUMP = 10.0  # times the median error: larger errors count as this in the typical error
_COMPARED_SHARES = (0.5, 0.8, 0.95)  # quantiles of the errors of a series that are compared with those of the others
_USUAL_QUANTILES = (0.85, 1.6, 2.45)  # of normal errors with mean 1: one more series, which decides between two
_MIN_SIZE = 1e-3  # error in scales: smaller ones are equal
_OUTLIER_SPREADS = 3.0  # beyond so many spreads from the median a series is an outlier
_OUTLIER_FACTOR = 4.0  # upper bound of the limit, as a factor of the errors, for a series with many held-out horizons
_OUTLIER_FACTOR_SINGLE = 16.0  # added to it for a series with a single held-out horizon
_SERIES_PER_SPREAD = 20  # series whose presence adds one spread to the limit: one of many series changes little
_SPREAD_OF_ONE_HORIZON = 0.7  # of the logarithm of the mean error of one horizon of a random walk
_PRIOR_SERIES = 4  # at which the spread between series and that by chance have equal weights
_MAD_TO_SIGMA = 1.4826


def calibrate_errors(
    residuals: Float[np.ndarray, "n F"], prior_errors: Float[np.ndarray, "F"], horizons: float
) -> tuple[Float[np.ndarray, "F"], Float[np.ndarray, "Q"], Float[np.ndarray, "P F"]]:
    """Return typical errors by step, quantiles and paths of held-out residuals, NaN where unknown.

    Args:
        residuals: scores of held-out forecasts.
        prior_errors: typical errors of the naive forecast over the history.
        horizons: number of held-out horizons without overlap.
    """
    finite = np.isfinite(residuals)
    sizes = np.abs(residuals)
    shape = (horizons * mean_sizes(residuals) + _PRIOR_HORIZONS * prior_errors) / (horizons + _PRIOR_HORIZONS)
    shape = np.maximum(np.maximum.accumulate(_smooth(shape)), 1e-9)
    errors = np.sort((sizes / shape)[finite])
    shares = np.linspace(0, 1, _QUANTILES + 1)
    raised = np.minimum(shares * (1 + _LEVEL_FACTOR / (horizons + _PRIOR_HORIZONS)), (1 + shares) / 2)
    quantiles = np.quantile(errors, raised) if len(errors) else np.zeros(_QUANTILES + 1)
    if horizons < _MIN_HORIZONS:
        quantiles = np.maximum(quantiles, _student_quantiles(raised, horizons + _PRIOR_HORIZONS))
    complete = residuals[finite.all(1)]
    complete = complete[np.linspace(0, len(complete) - 1, min(len(complete), _MAX_PATHS)).astype(int)]
    paths = np.sign(complete) * np.searchsorted(errors, np.abs(complete) / shape) / max(len(errors), 1)
    return shape, quantiles, paths


def mean_sizes(residuals: Float[np.ndarray, "n F"]) -> Float[np.ndarray, "F"]:
    """Return the mean absolute residual by step, with an upper bound for jumps of series that hardly varied before."""
    sizes = np.abs(np.where(np.isfinite(residuals), residuals, 0.0))
    median = np.median(sizes[sizes > 0]) if sizes.any() else 0.0
    return np.minimum(sizes, _MAX_JUMP * median).sum(0) / np.maximum(np.isfinite(residuals).sum(0), 1)


def drop_outlying_series(
    residuals: Float[np.ndarray, "n F"], series: Int[Tensor, "n"], horizons: float
) -> Float[np.ndarray, "n F"]:
    """Return residuals with NaN for series whose errors are far larger or smaller than those of the others.

    The errors of a series that broke, ended or hardly varies do not predict those of the others. Compared are
    quantiles of the errors of each series, in logarithms, as multiples of the spread between series.

    Args:
        residuals: scores of held-out forecasts.
        series: the series of each row.
        horizons: number of held-out horizons of a series.
    """
    sizes, codes = np.abs(residuals), series.numpy()
    present = [code for code in np.unique(codes) if np.isfinite(sizes[codes == code]).any()]
    if len(present) < 2:
        return residuals
    quantiles = np.array([np.nanquantile(sizes[codes == code], _COMPARED_SHARES) for code in present])
    compared = np.log(np.maximum(np.vstack([quantiles, _USUAL_QUANTILES]), _MIN_SIZE))
    distances = np.abs(compared - np.median(compared, axis=0))
    spread = _weighted_spread(np.median(distances, axis=0), len(present), horizons)
    limit = (_OUTLIER_SPREADS + len(present) / _SERIES_PER_SPREAD) * spread
    limit = np.minimum(limit, np.log(_OUTLIER_FACTOR + _OUTLIER_FACTOR_SINGLE / max(horizons, 1.0)))
    is_outlier = (distances[:-1] > limit).any(1)
    return np.where(np.isin(codes, np.array(present)[is_outlier])[:, None], np.nan, residuals)


def _weighted_spread(mad: Float[np.ndarray, "q"], count: int, horizons: float) -> Float[np.ndarray, "q"]:
    """Return the spread of the logarithms of errors between series, averaged with what chance alone explains."""
    chance = _SPREAD_OF_ONE_HORIZON**2 / max(horizons, 1.0)
    return np.sqrt((count * (_MAD_TO_SIGMA * mad) ** 2 + _PRIOR_SERIES * chance) / (count + _PRIOR_SERIES))


def _student_quantiles(shares: Float[np.ndarray, "Q"], freedom: float) -> Float[np.ndarray, "Q"]:
    """Return quantiles of normal absolute errors with mean 1, whose spread is estimated from few."""
    from scipy.stats import t

    return np.sqrt(np.pi / 2) * t.ppf((1 + np.minimum(shares, 0.999)) / 2, freedom)


def _smooth(x: Float[np.ndarray, "F"]) -> Float[np.ndarray, "F"]:
    """Average each step with its neighbours, so few windows do not make intervals jagged."""
    reach = max(1, len(x) // 8)
    return np.array([x[max(0, i - reach) : i + reach + 1].mean() for i in range(len(x))])
