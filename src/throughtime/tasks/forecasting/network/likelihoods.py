"""Distributions of forecast errors: a likelihood that the network learns, or the held-out errors alone, the default.

A likelihood adds distribution parameters to the location that the network forecasts for each step, and is trained by
its negative logarithm. Scores connect it to the calibration: the score of a value is what the value would be if the
distribution were standard normal. Where the network is right, the scores of held-out windows are standard normal; where
they are wider or narrower, the calibration stretches the intervals accordingly. One mechanism therefore calibrates all
distributions, and without a likelihood a score is an error in units of the scale at its origin.

Source: Salinas et al. 2020, DeepAR: Probabilistic Forecasting with Autoregressive Recurrent Networks.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
import torch
from torch.nn.functional import softplus

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

_MAX_LOG_WIDTH = 0.7  # about a factor of two: beyond, an upper bound grows as the width itself does
_MAX_SCORE = 7.0  # larger scores are equal in 64 bits
_MIN_MEAN = 0.02  # of a count's typical size
_LOG_RANGE = (-7.0, 7.0)


class TargetUnits(NamedTuple):
    """How values relate to transformed ones: logarithms of `positive` series, else multiples of a `unit`."""

    unit: Float[Tensor, "..."]
    positive: Bool[Tensor, "..."]

    def to_values(self, z: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return values in the units of the series."""
        return torch.where(self.positive, z.double().clamp(max=60).exp(), z.double()) * self.unit

    def above(self, z: Float[Tensor, "..."], width: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return values at a distance above z; wide distances in logarithms are damped: their exponentials explode."""
        damped = _MAX_LOG_WIDTH + torch.log1p((width - _MAX_LOG_WIDTH).clamp(min=0))
        damped = torch.where(width > _MAX_LOG_WIDTH, damped, width)
        return self.to_values(z + torch.where(self.positive, damped, width))

    def around(self, z: Float[Tensor, "..."], width: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Return values above z where the width is positive, below where it is negative."""
        return torch.where(width > 0, self.above(z, width.clamp(min=0)), self.to_values(z + width.clamp(max=0)))


class Likelihood(ABC):
    """A distribution around a location z.

    Attributes:
        raw_init: initial values of the raw parameters that the network outputs; empty where it learns none.
    """

    raw_init: ClassVar[tuple[float, ...]]

    @abstractmethod
    def params(self, raw: Float[Tensor, "... P"], scale: Float[Tensor, "..."]) -> Float[Tensor, "... Q"]:
        """Return the parameters of the distribution from raw ones and the scale at the origin, (…, 1)."""

    @abstractmethod
    def nll(
        self,
        z: Float[Tensor, "..."],
        params: Float[Tensor, "... P"],
        value: Float[Tensor, "..."],
        units: TargetUnits,
    ) -> Float[Tensor, "..."]:
        """Return the negative log-likelihood of values in units, in nats, up to a constant."""

    @abstractmethod
    def distance(self, z: Tensor, params: Tensor, scores: Tensor, units: TargetUnits) -> Tensor:
        """Return the distance from z, in transformed values, of scores of 0 or more."""

    @abstractmethod
    def score_at(self, z: Tensor, params: Tensor, distance: Tensor, units: TargetUnits) -> Tensor:
        """Invert `distance`."""

    @abstractmethod
    def scores(self, z: Tensor, params: Tensor, truth: Tensor, units: TargetUnits) -> Tensor:
        """Return the scores of observed transformed values."""

    @abstractmethod
    def values(self, z: Tensor, params: Tensor, scores: Tensor, units: TargetUnits) -> Tensor:
        """Invert `scores`, in the units of the series; values rise with the score."""


class LocationScale(Likelihood):
    """A distribution whose score is the error in multiples of its first parameter."""

    def distance(self, z: Tensor, params: Tensor, scores: Tensor, units: TargetUnits) -> Tensor:
        """Multiply by the first parameter."""
        return params[..., 0] * scores

    def score_at(self, z: Tensor, params: Tensor, distance: Tensor, units: TargetUnits) -> Tensor:
        """Divide by the first parameter."""
        return distance / params[..., 0]

    def scores(self, z: Tensor, params: Tensor, truth: Tensor, units: TargetUnits) -> Tensor:
        """Return the scores of the errors."""
        return self.score_at(z, params, truth - z, units)

    def values(self, z: Tensor, params: Tensor, scores: Tensor, units: TargetUnits) -> Tensor:
        """Add an error to the forecast."""
        return units.around(z, self.distance(z, params, scores, units))


class NoLikelihood(LocationScale):
    """No likelihood: a score is an error in scales, and the network learns the forecast alone."""

    raw_init = ()

    def params(self, raw: Tensor, scale: Tensor) -> Tensor:
        """Return the scale."""
        return scale.unsqueeze(-1)

    def nll(self, z: Tensor, params: Tensor, value: Tensor, units: TargetUnits) -> Tensor:
        """Raise: there is no likelihood to learn."""
        raise AssertionError("errors have no likelihood")


class Normal(LocationScale):
    """A normal distribution of the transformed values: of logarithms where a series is positive."""

    raw_init = (0.0,)

    def params(self, raw: Tensor, scale: Tensor) -> Tensor:
        """Return the standard deviation."""
        return scale.unsqueeze(-1) * raw.clamp(*_LOG_RANGE).exp()

    def nll(self, z: Tensor, params: Tensor, value: Tensor, units: TargetUnits) -> Tensor:
        """Return half the squared score plus the logarithm of the standard deviation."""
        deviation = params[..., 0]
        return 0.5 * ((_transform(value, units) - z) / deviation) ** 2 + deviation.log()


class StudentT(LocationScale):
    """Student's t-distribution with a spread and degrees of freedom for each step: heavier tails."""

    raw_init = (-0.3, math.log(3.0))

    def params(self, raw: Tensor, scale: Tensor) -> Tensor:
        """Return the spread and the degrees of freedom, which exceed 2."""
        spread, freedom = raw.clamp(*_LOG_RANGE).exp().unbind(-1)
        return torch.stack([scale * spread, 2 + freedom], -1)

    def nll(self, z: Tensor, params: Tensor, value: Tensor, units: TargetUnits) -> Tensor:
        """Return that of the error in spreads, plus the logarithm of the spread."""
        spread, freedom = params.unbind(-1)
        error = (_transform(value, units) - z) / spread
        constant = torch.lgamma(freedom / 2) - torch.lgamma((freedom + 1) / 2) + 0.5 * freedom.log()
        return constant + (freedom + 1) / 2 * torch.log1p(error**2 / freedom) + spread.log()

    def distance(self, z: Tensor, params: Tensor, scores: Tensor, units: TargetUnits) -> Tensor:
        """Match the quantiles of both distributions."""
        from scipy.stats import norm, t

        spread, freedom = params.double().unbind(-1)
        tails = norm.sf(scores.abs().clamp(max=_MAX_SCORE).numpy())
        return spread * scores.sign() * torch.from_numpy(t.isf(tails, freedom.numpy()))

    def score_at(self, z: Tensor, params: Tensor, distance: Tensor, units: TargetUnits) -> Tensor:
        """Match the quantiles of both distributions."""
        from scipy.stats import norm, t

        spread, freedom = params.double().unbind(-1)
        tails = t.sf((distance / spread).abs().numpy(), freedom.numpy())
        return distance.sign() * torch.from_numpy(norm.isf(np.maximum(tails, norm.sf(_MAX_SCORE))))


class NegativeBinomial(Likelihood):
    """Counts whose variance exceeds their mean m by α m²; forecasts and bounds are integers and never negative."""

    raw_init = (-1.0,)

    def params(self, raw: Tensor, scale: Tensor) -> Tensor:
        """Return the overdispersion α."""
        return raw.clamp(*_LOG_RANGE).exp()

    def nll(self, z: Tensor, params: Tensor, value: Tensor, units: TargetUnits) -> Tensor:
        """Return that of counts."""
        count, mean, size = (value * units.unit).round(), self._mean(z, units), 1 / params[..., 0]
        gammas = torch.lgamma(size) + torch.lgamma(count + 1) - torch.lgamma(count + size)
        return gammas + size * torch.log1p(mean / size) + count * torch.log1p(size / mean)

    def distance(self, z: Tensor, params: Tensor, scores: Tensor, units: TargetUnits) -> Tensor:
        """Multiply by the standard deviation."""
        return scores * self._deviation(z, params, units)

    def score_at(self, z: Tensor, params: Tensor, distance: Tensor, units: TargetUnits) -> Tensor:
        """Divide by the standard deviation."""
        return distance / self._deviation(z, params, units)

    def scores(self, z: Tensor, params: Tensor, truth: Tensor, units: TargetUnits) -> Tensor:
        """Return the normal score of the middle of a count's step in the distribution function."""
        from scipy.stats import nbinom, norm

        size, share = self._scipy_params(z, params, units)
        count = units.to_values(truth).round().numpy()
        middle = nbinom.cdf(count, size, share) - nbinom.pmf(count, size, share) / 2
        return torch.from_numpy(norm.ppf(np.clip(middle, norm.sf(_MAX_SCORE), norm.cdf(_MAX_SCORE))))

    def values(self, z: Tensor, params: Tensor, scores: Tensor, units: TargetUnits) -> Tensor:
        """Return the quantiles of normal probabilities."""
        from scipy.stats import nbinom, norm

        size, share = self._scipy_params(z, params, units)
        below = norm.cdf(scores.clamp(-_MAX_SCORE, _MAX_SCORE).numpy())
        return torch.from_numpy(nbinom.ppf(below, size, share))

    def _mean(self, z: Tensor, units: TargetUnits) -> Tensor:
        """Return a positive mean, equal to z far above zero."""
        bent = softplus(z / _MIN_MEAN) * _MIN_MEAN
        return torch.where(units.positive, z.clamp(max=30).exp(), bent.clamp(min=_MIN_MEAN / 100)) * units.unit

    def _deviation(self, z: Tensor, params: Tensor, units: TargetUnits) -> Tensor:
        """Return the standard deviation of transformed values."""
        mean = self._mean(z, units)
        return (mean + params[..., 0] * mean**2).sqrt() / torch.where(units.positive, mean, units.unit)

    def _scipy_params(self, z: Tensor, params: Tensor, units: TargetUnits) -> tuple[np.ndarray, np.ndarray]:
        size = 1 / params[..., 0].double()
        return size.numpy(), (size / (size + self._mean(z.double(), units))).numpy()


LIKELIHOODS: dict[str | None, Likelihood] = {
    None: NoLikelihood(),
    "normal": Normal(),
    "student_t": StudentT(),
    "negative_binomial": NegativeBinomial(),
}
"""Likelihoods by the name that a forecaster takes."""


class LikelihoodLoss:
    """Mean negative log-likelihood over all observed values."""

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood

    def __call__(self, output: Float[Tensor, "N K F Q"], target: Float[Tensor, "N K F 5"]) -> Float[Tensor, ""]:
        """Compare locations and parameters (Q = 1 + P) with `WindowStore.targets`."""
        value, weight, _, positive, unit = target.unbind(-1)
        units = TargetUnits(unit, positive > 0)
        nll = self.likelihood.nll(output[..., 0], output[..., 1:], torch.where(weight > 0, value, 1.0), units)
        return (nll * weight).sum() / weight.sum().clamp(min=1)


def _transform(value: Tensor, units: TargetUnits) -> Tensor:
    """Return values in units as the network reads them."""
    return torch.where(units.positive, value.clamp(min=1e-9).log(), value)
