"""Distributions of forecast errors around a location: their quantiles, in scores.

The score of a value is what the value would be if the distribution were standard normal. Without a likelihood, a score
is an error in units of the scale at its origin. `throughtime.tasks.forecasting.network.likelihoods` learns the
parameters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from throughtime.inference.forecasting.distributions import (
    negative_binomial_quantile,
    normal_tail,
    normal_tail_quantile,
    student_tail,
    student_tail_quantile,
)

if TYPE_CHECKING:
    from jaxtyping import Bool, Float

    Array = Float[np.ndarray, "..."]

MAX_SCORE = 7.0
"""Score from which on larger ones are equal in 64 bits."""

MIN_MEAN = 0.02
"""Mean of a count whose logarithm is not modelled, in units of its typical size, below which means are bent."""

MAX_LOG_WIDTH = 0.7
"""Width in logarithms, about a factor of two, beyond which an upper bound grows as the width itself does."""


class Units(NamedTuple):
    """How values relate to transformed ones: logarithms of `is_positive` series, else multiples of a `unit`."""

    unit: Float[np.ndarray, "..."]
    is_positive: Bool[np.ndarray, "..."]

    def to_values(self, z: Array) -> Array:
        """Return values in the units of the series."""
        return np.where(self.is_positive, np.exp(np.minimum(z, 60)), z) * self.unit

    def above(self, z: Array, width: Array) -> Array:
        """Return values at a distance above z; wide distances in logarithms are damped: their exponentials explode."""
        damped = MAX_LOG_WIDTH + np.log1p(np.maximum(width - MAX_LOG_WIDTH, 0))
        damped = np.where(width > MAX_LOG_WIDTH, damped, width)
        return self.to_values(z + np.where(self.is_positive, damped, width))

    def around(self, z: Array, width: Array) -> Array:
        """Return values above z where the width is positive, below where it is negative."""
        return np.where(width > 0, self.above(z, np.maximum(width, 0)), self.to_values(z + np.minimum(width, 0)))


class ErrorDistribution(ABC):
    """A distribution around a location z, with parameters for each step: (…, P)."""

    @abstractmethod
    def distance(self, z: Array, params: Array, scores: Array, units: Units) -> Array:
        """Return the distance from z, in transformed values, of scores of 0 or more."""

    @abstractmethod
    def score_at(self, z: Array, params: Array, distance: Array, units: Units) -> Array:
        """Invert `distance`."""

    @abstractmethod
    def values(self, z: Array, params: Array, scores: Array, units: Units) -> Array:
        """Return the values at scores, in the units of the series; values rise with the score."""


class LocationScale(ErrorDistribution):
    """A distribution whose score is the error in multiples of its first parameter."""

    def distance(self, z: Array, params: Array, scores: Array, units: Units) -> Array:
        """Multiply by the first parameter."""
        return params[..., 0] * scores

    def score_at(self, z: Array, params: Array, distance: Array, units: Units) -> Array:
        """Divide by the first parameter."""
        return distance / params[..., 0]

    def values(self, z: Array, params: Array, scores: Array, units: Units) -> Array:
        """Add an error to the forecast."""
        return units.around(z, self.distance(z, params, scores, units))


class StudentT(LocationScale):
    """Student's t-distribution; the parameters are its spread and its degrees of freedom."""

    def distance(self, z: Array, params: Array, scores: Array, units: Units) -> Array:
        """Match the quantiles of both distributions."""
        if not scores.any():
            return np.zeros_like(scores)
        tails = normal_tail(np.minimum(np.abs(scores), MAX_SCORE))
        return params[..., 0] * np.sign(scores) * student_tail_quantile(tails, params[..., 1])

    def score_at(self, z: Array, params: Array, distance: Array, units: Units) -> Array:
        """Match the quantiles of both distributions."""
        tails = student_tail(np.abs(distance / params[..., 0]), params[..., 1])
        return np.sign(distance) * normal_tail_quantile(np.maximum(tails, normal_tail(MAX_SCORE)))


class NegativeBinomial(ErrorDistribution):
    """Counts whose variance exceeds their mean m by α m², the parameter; values are whole and never negative."""

    def distance(self, z: Array, params: Array, scores: Array, units: Units) -> Array:
        """Multiply by the standard deviation."""
        return scores * self._deviation(z, params, units)

    def score_at(self, z: Array, params: Array, distance: Array, units: Units) -> Array:
        """Divide by the standard deviation."""
        return distance / self._deviation(z, params, units)

    def values(self, z: Array, params: Array, scores: Array, units: Units) -> Array:
        """Return the quantiles of normal probabilities."""
        below = normal_tail(-np.clip(scores, -MAX_SCORE, MAX_SCORE))
        return negative_binomial_quantile(below, 1 / params[..., 0], self.mean(z, units))

    def mean(self, z: Array, units: Units) -> Array:
        """Return a positive mean, equal to z far above zero."""
        bent = np.maximum(np.logaddexp(z / MIN_MEAN, 0) * MIN_MEAN, MIN_MEAN / 100)
        return np.where(units.is_positive, np.exp(np.minimum(z, 30)), bent) * units.unit

    def _deviation(self, z: Array, params: Array, units: Units) -> Array:
        """Return the standard deviation of transformed values."""
        mean = self.mean(z, units)
        return np.sqrt(mean + params[..., 0] * mean**2) / np.where(units.is_positive, mean, units.unit)


ERROR_DISTRIBUTIONS: dict[str | None, ErrorDistribution] = {
    None: LocationScale(),
    "normal": LocationScale(),
    "student_t": StudentT(),
    "negative_binomial": NegativeBinomial(),
}
"""Distributions of errors by the name of the likelihood that a forecaster takes."""
