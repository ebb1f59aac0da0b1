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
_OUTLIER_FACTOR = 4.0  # times the median of the mean errors: beyond, a series with many held-out horizons is an outlier
_OUTLIER_FACTOR_SINGLE = 16.0  # added to the factor of a series with a single held-out horizon
_MAX_TYPICAL = 10.0  # mean error in scales, upper bound of what counts as typical of a panel


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
    """Return residuals with NaN for series whose errors are far beyond those of all others.

    The errors of a defective series do not predict those of the others.

    Args:
        residuals: scores of held-out forecasts.
        series: the series of each row.
        horizons: number of held-out horizons of a series.
    """
    sizes, codes = np.abs(residuals), series.numpy()
    finite = np.isfinite(sizes)
    count = np.bincount(codes, finite.sum(1))
    means = np.bincount(codes, np.where(finite, sizes, 0.0).sum(1)) / np.maximum(count, 1)
    observed_means = means[count > 0]
    if not len(observed_means):
        return residuals
    factor = _OUTLIER_FACTOR + _OUTLIER_FACTOR_SINGLE / max(horizons, 1.0)
    limit = np.median(np.minimum(observed_means, _MAX_TYPICAL)) * factor
    is_typical = means <= max(limit, observed_means.min())
    return np.where(is_typical[codes][:, None], residuals, np.nan)


def _student_quantiles(shares: Float[np.ndarray, "Q"], freedom: float) -> Float[np.ndarray, "Q"]:
    """Return quantiles of normal absolute errors with mean 1, whose spread is estimated from few."""
    from scipy.stats import t

    return np.sqrt(np.pi / 2) * t.ppf((1 + np.minimum(shares, 0.999)) / 2, freedom)


def _smooth(x: Float[np.ndarray, "F"]) -> Float[np.ndarray, "F"]:
    """Average each step with its neighbours, so few windows do not make intervals jagged."""
    reach = max(1, len(x) // 8)
    return np.array([x[max(0, i - reach) : i + reach + 1].mean() for i in range(len(x))])
