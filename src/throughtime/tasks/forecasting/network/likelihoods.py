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

from throughtime.inference.forecasting import error_distributions
from throughtime.inference.forecasting.error_distributions import ERROR_DISTRIBUTIONS, MAX_SCORE, MIN_MEAN

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

    from throughtime.inference.forecasting.error_distributions import ErrorDistribution, Units

    Array = Float[np.ndarray, "..."]

_LOG_RANGE = (-7.0, 7.0)
_COUNTS = error_distributions.NegativeBinomial()


class TargetUnits(NamedTuple):
    """How targets relate to transformed values: logarithms of `positive` series, else multiples of a `unit`."""

    unit: Float[Tensor, "..."]
    positive: Bool[Tensor, "..."]


class Likelihood(ABC):
    """A distribution around a location z.

    Attributes:
        raw_init: initial values of the raw parameters that the network outputs; empty where it learns none.
        errors: quantiles of the distribution.
    """

    raw_init: ClassVar[tuple[float, ...]]
    errors: ClassVar[ErrorDistribution]

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

    def scores(
        self,
        z: Float[np.ndarray, "..."],
        params: Float[np.ndarray, "... P"],
        truth: Float[np.ndarray, "..."],
        units: Units,
    ) -> Float[np.ndarray, "..."]:
        """Return the scores of observed transformed values."""
        return self.errors.score_at(z, params, truth - z, units)


class NoLikelihood(Likelihood):
    """No likelihood: a score is an error in scales, and the network learns the forecast alone."""

    raw_init = ()
    errors = ERROR_DISTRIBUTIONS[None]

    def params(self, raw: Tensor, scale: Tensor) -> Tensor:
        """Return the scale."""
        return scale.unsqueeze(-1)

    def nll(self, z: Tensor, params: Tensor, value: Tensor, units: TargetUnits) -> Tensor:
        """Raise: there is no likelihood to learn."""
        raise AssertionError("errors have no likelihood")


class NormalLikelihood(Likelihood):
    """A normal distribution of the transformed values: of logarithms where a series is positive."""

    raw_init = (0.0,)
    errors = ERROR_DISTRIBUTIONS["normal"]

    def params(self, raw: Tensor, scale: Tensor) -> Tensor:
        """Return the standard deviation."""
        return scale.unsqueeze(-1) * raw.clamp(*_LOG_RANGE).exp()

    def nll(self, z: Tensor, params: Tensor, value: Tensor, units: TargetUnits) -> Tensor:
        """Return half the squared score plus the logarithm of the standard deviation."""
        deviation = params[..., 0]
        return 0.5 * ((_transform(value, units) - z) / deviation) ** 2 + deviation.log()


class StudentTLikelihood(Likelihood):
    """Student's t-distribution with a spread and degrees of freedom for each step: heavier tails."""

    raw_init = (-0.3, math.log(3.0))
    errors = ERROR_DISTRIBUTIONS["student_t"]

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


class NegativeBinomialLikelihood(Likelihood):
    """Counts whose variance exceeds their mean m by α m²; forecasts and bounds are integers and never negative."""

    raw_init = (-1.0,)
    errors = _COUNTS

    def params(self, raw: Tensor, scale: Tensor) -> Tensor:
        """Return the overdispersion α."""
        return raw.clamp(*_LOG_RANGE).exp()

    def nll(self, z: Tensor, params: Tensor, value: Tensor, units: TargetUnits) -> Tensor:
        """Return that of counts."""
        count, mean, size = (value * units.unit).round(), self._mean(z, units), 1 / params[..., 0]
        gammas = torch.lgamma(size) + torch.lgamma(count + 1) - torch.lgamma(count + size)
        return gammas + size * torch.log1p(mean / size) + count * torch.log1p(size / mean)

    def scores(
        self,
        z: Float[np.ndarray, "..."],
        params: Float[np.ndarray, "... P"],
        truth: Float[np.ndarray, "..."],
        units: Units,
    ) -> Float[np.ndarray, "..."]:
        """Return the normal score of the middle of a count's step in the distribution function."""
        from scipy.stats import nbinom, norm

        size = 1 / params[..., 0]
        share = size / (size + _COUNTS.mean(z, units))
        count = np.round(units.to_values(truth))
        middle = nbinom.cdf(count, size, share) - nbinom.pmf(count, size, share) / 2
        return norm.ppf(np.clip(middle, norm.sf(MAX_SCORE), norm.cdf(MAX_SCORE)))

    def _mean(self, z: Tensor, units: TargetUnits) -> Tensor:
        """Return the mean as `error_distributions.NegativeBinomial.mean` does, with gradients."""
        bent = softplus(z / MIN_MEAN) * MIN_MEAN
        return torch.where(units.positive, z.clamp(max=30).exp(), bent.clamp(min=MIN_MEAN / 100)) * units.unit


LIKELIHOODS: dict[str | None, Likelihood] = {
    None: NoLikelihood(),
    "normal": NormalLikelihood(),
    "student_t": StudentTLikelihood(),
    "negative_binomial": NegativeBinomialLikelihood(),
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
