"""The normal, Student's and the negative binomial distribution, from numpy and the standard library alone.

All tails and quantiles are exact to about 12 digits. Source of the continued fraction: Didonato, Morris 1992,
Algorithm 708: Significant Digit Computation of the Incomplete Beta Function Ratios.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    Array = Float[np.ndarray, "..."]

_TINY = 1e-300
_EPSILON = 4e-16
_MAX_TERMS = 10_000
_MAX_NEWTON_STEPS = 100
_MAX_SUMMED = 256  # counts below which probabilities are added up

_erfc = np.frompyfunc(math.erfc, 1, 1)
_lgamma = np.frompyfunc(math.lgamma, 1, 1)
_normal_quantile = np.frompyfunc(NormalDist().inv_cdf, 1, 1)


def normal_tail(x: Array | float) -> Array:
    """Return the probability above x of the standard normal distribution."""
    return 0.5 * np.asarray(_erfc(x / math.sqrt(2)), dtype=np.float64)


def normal_tail_quantile(tail: Array) -> Array:
    """Invert `normal_tail`, for probabilities between 0 and 1."""
    return -np.asarray(_normal_quantile(tail), dtype=np.float64)


def student_tail(x: Array, freedom: Array) -> Array:
    """Return the probability above x, 0 or more, of Student's distribution."""
    total = freedom + x**2
    return 0.5 * incomplete_beta(freedom / 2, np.full_like(freedom, 0.5), freedom / total, x**2 / total)


def student_tail_quantile(tail: Array, freedom: Array) -> Array:
    """Invert `student_tail`, for probabilities up to a half.

    Newton's method for the logarithms of probability and quantile, where the tail is concave: it converges from any
    start.
    """
    shape = np.broadcast_shapes(np.shape(tail), np.shape(freedom))
    tail, freedom = (np.broadcast_to(a, shape).ravel() for a in (tail, freedom))
    log_norm = _log_gamma(freedom / 2 + 0.5) - _log_gamma(freedom / 2) - 0.5 * np.log(freedom * math.pi)
    log_x = np.log(np.maximum(normal_tail_quantile(np.minimum(tail, 0.5)), 1e-12))
    rows = np.arange(len(log_x))
    for _ in range(_MAX_NEWTON_STEPS):
        x, v = np.exp(log_x[rows]), freedom[rows]
        above = student_tail(x, v)
        density = np.exp(log_norm[rows] - (v + 1) / 2 * np.log1p(x**2 / v))
        step = np.log(above / tail[rows]) * above / (density * x)
        log_x[rows] += step
        rows = rows[np.abs(step) > 1e-13]
        if not len(rows):
            break
    return np.exp(log_x).reshape(shape)


def negative_binomial_quantile(below: Array, size: Array, mean: Array) -> Array:
    """Return the smallest counts whose probability of that count or fewer is `below` or more, below 1.

    Probabilities of small counts are added up; larger quantiles are searched by Newton's method within bounds.
    """
    shape = np.broadcast_shapes(np.shape(below), np.shape(size), np.shape(mean))
    below, size, mean = (np.broadcast_to(a, shape).astype(np.float64).ravel() for a in (below, size, mean))
    counts, rows = _sum_small_counts(below, size, mean)
    if len(rows):
        counts[rows] = _search_counts(below[rows], size[rows], mean[rows])
    return counts.reshape(shape)


def _sum_small_counts(below: Array, size: Array, mean: Array) -> tuple[Array, Int[np.ndarray, "M"]]:
    """Return quantiles up to a bound, and the rows of those that are larger."""
    counts = np.zeros(len(mean))
    rows = np.flatnonzero(mean < _MAX_SUMMED)
    q, n, ratio = below[rows], size[rows], mean[rows] / (size[rows] + mean[rows])
    mass = np.exp(-n * np.log1p(mean[rows] / n))
    total = mass.copy()
    for count in range(1, _MAX_SUMMED):
        is_above = total < q
        rows = rows[is_above]
        q, n, ratio, mass, total = (a[is_above] for a in (q, n, ratio, mass, total))
        if not len(rows):
            break
        counts[rows] = count
        mass *= ratio * (count - 1 + n) / count
        total += mass
    rows = rows[total < q]
    return counts, np.union1d(rows, np.flatnonzero(mean >= _MAX_SUMMED))


def _search_counts(below: Array, size: Array, mean: Array) -> Array:
    """Return quantiles by Newton's method, with every third step a bisection of the bounds."""
    deviation = np.sqrt(mean + mean**2 / size)
    score = -normal_tail_quantile(np.clip(below, 1e-300, 1 - 1e-16))
    skewness = (1 + 2 * mean / size) / deviation
    count = np.floor(np.maximum(mean + deviation * (score + (score**2 - 1) * skewness / 6), 0.0))
    low, high = np.full(len(mean), -1.0), np.full(len(mean), np.inf)  # counts of too little, and of enough probability
    rows, iteration = np.arange(len(mean)), 0
    while len(rows):
        iteration += 1
        k, q, n, m = count[rows], below[rows], size[rows], mean[rows]
        cdf = incomplete_beta(n, k + 1, n / (n + m), m / (n + m))
        low[rows], high[rows] = np.where(cdf < q, k, low[rows]), np.where(cdf < q, high[rows], k)
        log_mass = _log_gamma(k + n) - _log_gamma(n) - _log_gamma(k + 1) - n * np.log1p(m / n) + k * np.log(m / (n + m))
        newton = np.rint(k + np.clip((q - cdf) / np.maximum(np.exp(log_mass), _TINY), -1e15, 1e15))
        middle = np.floor((low[rows] + high[rows]) / 2)
        proposal = np.where(np.isfinite(middle) & (iteration % 3 == 0), middle, newton)
        count[rows] = np.clip(proposal, low[rows] + 1, np.minimum(high[rows] - 1, 2 * k + 16))
        rows = rows[high[rows] - low[rows] > 1]
    return high


def incomplete_beta(a: Array, b: Array, x: Array, y: Array) -> Array:
    """Return the regularized incomplete beta function I_x(a, b), where y is 1 - x."""
    is_right = x > (a + 1) / (a + b + 2)
    a, b, x, y = (np.where(is_right, *pair).ravel() for pair in ((b, a), (a, b), (y, x), (x, y)))
    log_front = _log_gamma(a + b) - _log_gamma(a) - _log_gamma(b)
    with np.errstate(divide="ignore"):  # of x = 0, whose value is 0
        log_front = log_front + a * np.log(x) + b * np.log(y)
    value = np.exp(log_front) / a * _continued_fraction(a, b, x)
    return np.where(is_right.ravel(), 1 - value, value).reshape(is_right.shape)


def _continued_fraction(a: Array, b: Array, x: Array) -> Array:
    """Evaluate the continued fraction of the incomplete beta function by Lentz's method."""
    d = 1 / _away_from_zero(1 - (a + b) * x / (a + 1))
    c, result = np.ones_like(x), d.copy()
    value, rows = d, np.arange(len(x))
    for m in range(1, _MAX_TERMS):
        change = 1.0
        for numerator in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away_from_zero(1 + numerator * d)
            c = _away_from_zero(1 + numerator / c)
            change = c * d
            value = value * change
        result[rows] = value
        is_open = np.abs(change - 1) > _EPSILON
        if not is_open.all():
            rows = rows[is_open]
            a, b, x, c, d, value = (array[is_open] for array in (a, b, x, c, d, value))
        if not len(rows):
            break
    return result


def _away_from_zero(x: Array) -> Array:
    return np.where(np.abs(x) < _TINY, _TINY, x)


def _log_gamma(x: Array) -> Array:
    """Return the logarithms of the gamma function."""
    return np.asarray(_lgamma(x), dtype=np.float64)
