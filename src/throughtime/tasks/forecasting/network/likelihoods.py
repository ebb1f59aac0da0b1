"""How forecasts err: by a likelihood that the network learns, or as they erred on held-out windows, the default.

A likelihood gives, for each step, numbers beside the location that the network forecasts, and is learned by its
negative logarithm. Between it and the calibration stand scores: what a value would be if the likelihood were a standard
normal one. Where the network is right, the scores of held-out windows are standard normal; where they are wider or
narrower, the calibration stretches the intervals by what it saw. So one mechanism calibrates all, and a forecast
without a likelihood is the special case in which a score is an error in units of the scale at its origin.

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

_TAME = 0.7  # a width in logarithms, about a factor of two, beyond which an upper bound grows as the width itself does
_FARTHEST = 7.0  # score; what lies beyond cannot be told apart in 64 bits
_LEAST = 0.02  # of a count's usual size: how far a mean may fall
_RANGE = (-7.0, 7.0)  # of logarithms


class TargetUnits(NamedTuple):
    """How values relate to what the network sees: logarithms of `positive` series, else multiples of a `unit`."""

    unit: Float[Tensor, "..."]
    positive: Bool[Tensor, "..."]

    def to_values(self, z: Tensor) -> Tensor:
        """Values."""
        return torch.where(self.positive, z.double().clamp(max=60).exp(), z.double()) * self.unit

    def above(self, z: Tensor, width: Tensor) -> Tensor:
        """Values so far above; widths in logarithms grow without measure when they are undone."""
        slow = torch.where(width > _TAME, _TAME + torch.log1p((width - _TAME).clamp(min=0)), width)
        return self.to_values(z + torch.where(self.positive, slow, width))

    def around(self, z: Tensor, width: Tensor) -> Tensor:
        """Values above where the width is positive, below where it is negative."""
        return torch.where(width > 0, self.above(z, width.clamp(min=0)), self.to_values(z + width.clamp(max=0)))


class Likelihood(ABC):
    """What there is to say about a distribution around a location z.

    Attributes:
        raw_init: what the network's raw numbers beside the location begin with; empty where nothing is learned.
    """

    raw_init: ClassVar[tuple[float, ...]]

    @abstractmethod
    def params(self, raw: Float[Tensor, "... F P"], scale: Float[Tensor, "... 1"]) -> Float[Tensor, "... F P"]:
        """The numbers of the distribution, from raw ones and the scale at the origin."""

    @abstractmethod
    def nll(self, z: Tensor, params: Tensor, value: Tensor, units: TargetUnits) -> Tensor:
        """The negative logarithm of the likelihood of values in units, in nats, but for a constant."""

    @abstractmethod
    def distance(self, z: Tensor, params: Tensor, scores: Tensor, units: TargetUnits) -> Tensor:
        """How far from z, in what the network sees, scores of 0 or more lie."""

    @abstractmethod
    def score_at(self, z: Tensor, params: Tensor, distance: Tensor, units: TargetUnits) -> Tensor:
        """Undo `distance`."""

    @abstractmethod
    def scores(self, z: Tensor, params: Tensor, truth: Tensor, units: TargetUnits) -> Tensor:
        """Scores of what came, as the network sees it."""

    @abstractmethod
    def values(self, z: Tensor, params: Tensor, scores: Tensor, units: TargetUnits) -> Tensor:
        """Undo `scores`, in the units of the series; they rise with the score."""


class LocationScale(Likelihood):
    """A distribution whose scores follow from how far off the truth is, in multiples of its first number."""

    def distance(self, z: Tensor, params: Tensor, scores: Tensor, units: TargetUnits) -> Tensor:
        """In multiples of that number."""
        return params[..., 0] * scores

    def score_at(self, z: Tensor, params: Tensor, distance: Tensor, units: TargetUnits) -> Tensor:
        """In multiples of that number."""
        return distance / params[..., 0]

    def scores(self, z: Tensor, params: Tensor, truth: Tensor, units: TargetUnits) -> Tensor:
        """Those of the errors."""
        return self.score_at(z, params, truth - z, units)

    def values(self, z: Tensor, params: Tensor, scores: Tensor, units: TargetUnits) -> Tensor:
        """The forecast and an error."""
        return units.around(z, self.distance(z, params, scores, units))


class NoLikelihood(LocationScale):
    """No likelihood: a score is an error in scales, and what is learned is the forecast alone."""

    raw_init = ()

    def params(self, raw: Tensor, scale: Tensor) -> Tensor:
        """The scale."""
        return scale.unsqueeze(-1)

    def nll(self, z: Tensor, params: Tensor, value: Tensor, units: TargetUnits) -> Tensor:
        """There is none."""
        raise AssertionError("errors have no likelihood")


class Normal(LocationScale):
    """A normal distribution of what the network sees: of logarithms where a series is positive."""

    raw_init = (0.0,)

    def params(self, raw: Tensor, scale: Tensor) -> Tensor:
        """The standard deviation."""
        return scale.unsqueeze(-1) * raw.clamp(*_RANGE).exp()

    def nll(self, z: Tensor, params: Tensor, value: Tensor, units: TargetUnits) -> Tensor:
        """Half the squared score, and the logarithm of the standard deviation."""
        deviation = params[..., 0]
        return 0.5 * ((_seen(value, units) - z) / deviation) ** 2 + deviation.log()


class StudentT(LocationScale):
    """Student's distribution with a spread and degrees of freedom of its own for each step: heavier tails."""

    raw_init = (-0.3, math.log(3.0))

    def params(self, raw: Tensor, scale: Tensor) -> Tensor:
        """The spread, and the degrees of freedom, which are more than 2."""
        spread, freedom = raw.clamp(*_RANGE).exp().unbind(-1)
        return torch.stack([scale * spread, 2 + freedom], -1)

    def nll(self, z: Tensor, params: Tensor, value: Tensor, units: TargetUnits) -> Tensor:
        """That of the error in spreads, and the logarithm of the spread."""
        spread, freedom = params.unbind(-1)
        error = (_seen(value, units) - z) / spread
        constant = torch.lgamma(freedom / 2) - torch.lgamma((freedom + 1) / 2) + 0.5 * freedom.log()
        return constant + (freedom + 1) / 2 * torch.log1p(error**2 / freedom) + spread.log()

    def distance(self, z: Tensor, params: Tensor, scores: Tensor, units: TargetUnits) -> Tensor:
        """By the quantiles of both distributions."""
        from scipy.stats import norm, t

        spread, freedom = params.double().unbind(-1)
        tails = norm.sf(scores.abs().clamp(max=_FARTHEST).numpy())
        return spread * scores.sign() * torch.from_numpy(t.isf(tails, freedom.numpy()))

    def score_at(self, z: Tensor, params: Tensor, distance: Tensor, units: TargetUnits) -> Tensor:
        """By the quantiles of both distributions."""
        from scipy.stats import norm, t

        spread, freedom = params.double().unbind(-1)
        tails = t.sf((distance / spread).abs().numpy(), freedom.numpy())
        return distance.sign() * torch.from_numpy(norm.isf(np.maximum(tails, norm.sf(_FARTHEST))))


class NegativeBinomial(Likelihood):
    """Counts whose variance exceeds their mean m by α m²; forecasts and bounds are whole and never negative."""

    raw_init = (-1.0,)

    def params(self, raw: Tensor, scale: Tensor) -> Tensor:
        """The overdispersion α."""
        return raw.clamp(*_RANGE).exp()

    def nll(self, z: Tensor, params: Tensor, value: Tensor, units: TargetUnits) -> Tensor:
        """That of counts."""
        count, mean, size = (value * units.unit).round(), self._mean(z, units), 1 / params[..., 0]
        gammas = torch.lgamma(size) + torch.lgamma(count + 1) - torch.lgamma(count + size)
        return gammas + size * torch.log1p(mean / size) + count * torch.log1p(size / mean)

    def distance(self, z: Tensor, params: Tensor, scores: Tensor, units: TargetUnits) -> Tensor:
        """In standard deviations."""
        return scores * self._deviation(z, params, units)

    def score_at(self, z: Tensor, params: Tensor, distance: Tensor, units: TargetUnits) -> Tensor:
        """In standard deviations."""
        return distance / self._deviation(z, params, units)

    def scores(self, z: Tensor, params: Tensor, truth: Tensor, units: TargetUnits) -> Tensor:
        """Normal scores of the middle of a count's step in the distribution function."""
        from scipy.stats import nbinom, norm

        size, share = self._of_scipy(z, params, units)
        count = units.to_values(truth).round().numpy()
        middle = nbinom.cdf(count, size, share) - nbinom.pmf(count, size, share) / 2
        return torch.from_numpy(norm.ppf(np.clip(middle, norm.sf(_FARTHEST), norm.cdf(_FARTHEST))))

    def values(self, z: Tensor, params: Tensor, scores: Tensor, units: TargetUnits) -> Tensor:
        """Quantiles."""
        from scipy.stats import nbinom, norm

        size, share = self._of_scipy(z, params, units)
        below = norm.cdf(scores.clamp(-_FARTHEST, _FARTHEST).numpy())
        return torch.from_numpy(nbinom.ppf(below, size, share))

    def _mean(self, z: Tensor, units: TargetUnits) -> Tensor:
        """Positive, and z itself where that is far above zero."""
        bent = softplus(z / _LEAST) * _LEAST
        return torch.where(units.positive, z.clamp(max=30).exp(), bent.clamp(min=_LEAST / 100)) * units.unit

    def _deviation(self, z: Tensor, params: Tensor, units: TargetUnits) -> Tensor:
        """As the network sees it."""
        mean = self._mean(z, units)
        return (mean + params[..., 0] * mean**2).sqrt() / torch.where(units.positive, mean, units.unit)

    def _of_scipy(self, z: Tensor, params: Tensor, units: TargetUnits) -> tuple[np.ndarray, np.ndarray]:
        size = 1 / params[..., 0].double()
        return size.numpy(), (size / (size + self._mean(z.double(), units))).numpy()


LIKELIHOODS: dict[str | None, Likelihood] = {
    None: NoLikelihood(),
    "normal": Normal(),
    "student_t": StudentT(),
    "negative_binomial": NegativeBinomial(),
}
"""By the names that a forecaster takes."""


class LikelihoodLoss:
    """Mean negative logarithm of the likelihood over all that is known."""

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood

    def __call__(self, output: Float[Tensor, "N K F 1+P"], target: Float[Tensor, "N K F 5"]) -> Tensor:
        """Compare locations and numbers with `WindowStore.targets`."""
        value, weight, _, positive, unit = target.unbind(-1)
        units = TargetUnits(unit, positive > 0)
        found = self.likelihood.nll(output[..., 0], output[..., 1:], torch.where(weight > 0, value, 1.0), units)
        return (found * weight).sum() / weight.sum().clamp(min=1)


def _seen(value: Tensor, units: TargetUnits) -> Tensor:
    """Values in units as the network sees them."""
    return torch.where(units.positive, value.clamp(min=1e-9).log(), value)
