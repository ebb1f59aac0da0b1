"""What covariates do to a forecast.

The recurrent layer reads them with the values of their time. And each step of a forecast is corrected by what is known
of that step in advance, beside the same a season before, which naive forecasts repeat, and the mean of the last block:
a linear effect, which starts from least squares, and a small network's, which starts at zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from throughtime.data.series.covariates import ROLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float
    from torch import Tensor

    from throughtime.data.series.covariates import Feature
    from throughtime.tasks.forecasting.plan import Plan

KNOWN_AHEAD_ROLES = ("future", "static")
"""Roles of what is known of the steps to forecast."""

_READ = 8  # numbers of a step that the recurrent layer reads, at most
_WIDTH = 32
_LARGEST_EMBEDDING = 16
_RIDGE = 1e-3


class Embedding(nn.Module):
    """Covariates of some roles as numbers: words by vectors that are learned, numbers as they are.

    A word that training has not seen is read as the mean of all words, each as often as it came.

    Args:
        features: of all columns.
        roles: those that are kept.
    """

    def __init__(self, features: Sequence[Feature], roles: tuple[str, ...]) -> None:
        super().__init__()
        kept = [(c, feature) for c, feature in enumerate(features) if feature.role in roles]
        self.numbers = [c for c, feature in kept if not feature.categories]
        self.words = [c for c, feature in kept if feature.categories]
        sizes = [1 + len(feature.categories) for _, feature in kept if feature.categories]
        self.tables = nn.ModuleList(nn.Embedding(n, min(_LARGEST_EMBEDDING, (n + 1) // 2)) for n in sizes)
        self.size = len(self.numbers) + sum(min(_LARGEST_EMBEDDING, (n + 1) // 2) for n in sizes)
        shares = [torch.from_numpy(feature.shares).float() for _, feature in kept if feature.categories]
        for i, share in enumerate(shares):
            self.register_buffer(f"shares_{i}", share, persistent=False)

    def forward(self, covariates: Float[Tensor, "N T C"]) -> Float[Tensor, "N T D"]:
        """One vector for each step."""
        vectors = [
            nn.functional.embedding(covariates[..., c].long(), self._vectors(i)) for i, c in enumerate(self.words)
        ]
        return torch.cat([covariates[..., self.numbers], *vectors], -1)

    def _vectors(self, i: int) -> Float[Tensor, "V D"]:
        """The vectors of a column of words by code; code 0, a word not seen, has the mean of the others."""
        learned = self.get_parameter(f"tables.{i}.weight")[1:]
        return torch.cat([(self.get_buffer(f"shares_{i}") @ learned).unsqueeze(0), learned])


class CovariateEncoder(nn.Module):
    """What the recurrent layer reads of the covariates of each block: a few numbers for each of its steps.

    Args:
        plan: sizes.
        features: of the columns.

    Attributes:
        size: numbers of a block.
    """

    def __init__(self, plan: Plan, features: Sequence[Feature]) -> None:
        super().__init__()
        self.plan = plan
        self.embedding = Embedding(features, ROLES)
        self.few = nn.Linear(self.embedding.size, min(self.embedding.size, _READ))
        self.size = plan.block * self.few.out_features

    def forward(self, covariates: Float[Tensor, "N L C"]) -> Float[Tensor, "N K E"]:
        """For each block of the window but the first."""
        read = self.few(self.embedding(covariates[:, self.plan.block : self.plan.lookback]))
        return read.unflatten(1, (-1, self.plan.block)).flatten(2)


class CovariateEffects(nn.Module):
    """Corrections of forecasts by what is known in advance.

    Args:
        plan: sizes.
        features: of the columns, of which one or more are known in advance.
        units: of the recurrent layer.
    """

    def __init__(self, plan: Plan, features: Sequence[Feature], units: int) -> None:
        super().__init__()
        self.plan = plan
        self.embedding = Embedding(features, KNOWN_AHEAD_ROLES)
        # The last of the numbers that each of these makes is the linear effect.
        self.then, self.before, self.usual = (nn.Linear(self.embedding.size, _WIDTH + 1, bias=i == 0) for i in range(3))
        self.state = nn.Linear(units, _WIDTH + 1, bias=False)
        self.effect = nn.Linear(_WIDTH, 1)
        for part in (self.then, self.before, self.usual, self.state):
            nn.init.zeros_(part.weight[-1])
        for start in (self.then.bias[-1:], self.effect.weight, self.effect.bias):
            nn.init.zeros_(start)

    @torch.no_grad()
    def init_linear(
        self, covariates: Float[Tensor, "N L C"], errors: Float[Tensor, "N K F"], known: Tensor, origins: Tensor
    ) -> None:
        """Begin with the linear effects that explain errors of naive forecasts best, where known, in scales."""
        if not known.any():
            return
        vectors = self.embedding(covariates)
        then, before, usual = self._looks(vectors, vectors, vectors, origins)
        seen = torch.cat([then - before, then - usual], -1)[known].double()
        wanted = errors[known].double()
        wanted = wanted.clamp(*wanted.quantile(torch.tensor([0.01, 0.99], dtype=torch.float64)))
        squares = seen.mT @ seen
        penalty = _RIDGE * (squares.diagonal() + len(seen))
        change, level = torch.linalg.solve(squares + penalty.diag(), seen.mT @ wanted).float().chunk(2)
        self.then.weight[-1], self.before.weight[-1], self.usual.weight[-1] = change + level, -change, -level

    def forward(
        self, covariates: Float[Tensor, "N L C"], h: Float[Tensor, "N K U"], origins: Tensor
    ) -> Float[Tensor, "N K F"]:
        """Corrections of the forecasts from K origins, in scales."""
        vectors = self.embedding(covariates)
        looks = self._looks(self.then(vectors), self.before(vectors), self.usual(vectors), origins)
        hidden = sum(looks, self.state(h).unsqueeze(2))
        return self.effect(hidden[..., :-1].tanh()).squeeze(-1) + hidden[..., -1]

    def _looks(self, then: Tensor, before: Tensor, usual: Tensor, origins: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """From vectors of every step: of those to forecast, of the same a season before, and their mean before."""
        plan = self.plan
        steps = torch.arange(plan.horizon, device=then.device)
        origins = origins.to(then.device)[:, None]
        last = origins - plan.block + steps % plan.block if plan.season > 1 else (origins - 1).expand(-1, plan.horizon)
        means = usual[:, : plan.lookback].unflatten(1, (-1, plan.block)).mean(2)
        return then[:, origins + steps], before[:, last], means[:, origins[:, 0] // plan.block - 1].unsqueeze(2)
