"""Covariates in the forecasting network.

The recurrent layer reads the covariates together with the values of the same time. In addition, each step of a forecast
is corrected by the covariates that are known in advance: those of the step itself, of the same step a season before
(whose value the naive forecasts repeat) and their mean over the last block. The correction is a linear effect,
initialised by least squares, plus a small network that starts at zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from throughtime.data.series.covariates import ROLES
from throughtime.inference.forecasting.linear_effects import KNOWN_AHEAD_ROLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Float, Int
    from torch import Tensor

    from throughtime.data.series.covariates import Feature
    from throughtime.inference.forecasting.plan import Plan

_MAX_ENCODED = 8  # numbers per step that the recurrent layer reads
_WIDTH = 32
_MAX_EMBEDDING = 16
_RIDGE = 1e-3


class CovariateEmbedding(nn.Module):
    """Embed the covariates of some roles: categories by learned vectors, numbers unchanged.

    A category not seen in training is embedded as the mean of all categories, weighted by their frequency.

    Args:
        features: of all columns.
        roles: roles of the columns to embed.
    """

    def __init__(self, features: Sequence[Feature], roles: tuple[str, ...]) -> None:
        super().__init__()
        embedded = [(c, feature) for c, feature in enumerate(features) if feature.role in roles]
        self.numeric_columns = [c for c, feature in embedded if not feature.categories]
        self.categorical_columns = [c for c, feature in embedded if feature.categories]
        sizes = [1 + len(feature.categories) for _, feature in embedded if feature.categories]
        self.tables = nn.ModuleList(nn.Embedding(n, min(_MAX_EMBEDDING, (n + 1) // 2)) for n in sizes)
        self.size = len(self.numeric_columns) + sum(min(_MAX_EMBEDDING, (n + 1) // 2) for n in sizes)
        shares = [torch.from_numpy(feature.shares).float() for _, feature in embedded if feature.categories]
        for i, share in enumerate(shares):
            self.register_buffer(f"shares_{i}", share, persistent=False)

    def forward(self, covariates: Float[Tensor, "... C"]) -> Float[Tensor, "... E"]:
        """Return one vector for each step."""
        vectors = [
            nn.functional.embedding(covariates[..., c].long(), self._vectors(i))
            for i, c in enumerate(self.categorical_columns)
        ]
        return torch.cat([covariates[..., self.numeric_columns], *vectors], -1)

    def _vectors(self, i: int) -> Float[Tensor, "V E"]:
        """Return the vectors of a column by code; code 0, an unseen category, has the mean of the others."""
        learned = self.get_parameter(f"tables.{i}.weight")[1:]
        return torch.cat([(self.get_buffer(f"shares_{i}") @ learned).unsqueeze(0), learned])


class CovariateEncoder(nn.Module):
    """Encode the covariates of each block for the recurrent layer: a few numbers for each of its steps.

    Args:
        plan: sizes.
        features: of the columns.

    Attributes:
        size: numbers per block.
    """

    def __init__(self, plan: Plan, features: Sequence[Feature]) -> None:
        super().__init__()
        self.plan = plan
        self.embedding = CovariateEmbedding(features, ROLES)
        self.projection = nn.Linear(self.embedding.size, min(self.embedding.size, _MAX_ENCODED))
        self.size = plan.block * self.projection.out_features

    def forward(self, covariates: Float[Tensor, "N L C"]) -> Float[Tensor, "N K E"]:
        """Encode every block of the window except the first."""
        encoded = self.projection(self.embedding(covariates[:, self.plan.block : self.plan.lookback]))
        return encoded.unflatten(1, (-1, self.plan.block)).flatten(2)


class CovariateEffects(nn.Module):
    """Correct forecasts by the covariates that are known in advance.

    Args:
        plan: sizes.
        features: of the columns, one or more of them known in advance.
        units: U, of the state at an origin.
    """

    def __init__(self, plan: Plan, features: Sequence[Feature], units: int) -> None:
        super().__init__()
        self.plan = plan
        self.embedding = CovariateEmbedding(features, KNOWN_AHEAD_ROLES)
        # The last output of each of these layers is the linear effect.
        self.ahead, self.season_before, self.block_mean = (
            nn.Linear(self.embedding.size, _WIDTH + 1, bias=i == 0) for i in range(3)
        )
        self.state = nn.Linear(units, _WIDTH + 1, bias=False)
        self.effect = nn.Linear(_WIDTH, 1)
        for layer in (self.ahead, self.season_before, self.block_mean, self.state):
            nn.init.zeros_(layer.weight[-1])
        for start in (self.ahead.bias[-1:], self.effect.weight, self.effect.bias):
            nn.init.zeros_(start)

    @torch.no_grad()
    def init_linear(
        self,
        covariates: Float[Tensor, "N L C"],
        errors: Float[Tensor, "N K F"],
        observed: Bool[Tensor, "N K F"],
        origins: Int[Tensor, "K"],
    ) -> None:
        """Initialise the linear effects by ridge regression of errors, in scales, on the covariates."""
        if not observed.any():
            return
        vectors = self.embedding(covariates)
        ahead, season_before, block_mean = self._gather(vectors, vectors, vectors, origins)
        design = torch.cat([ahead - season_before, ahead - block_mean], -1)[observed].double()
        target = errors[observed].double()
        target = target.clamp(*target.quantile(torch.tensor([0.01, 0.99], dtype=torch.float64)))
        squares = design.mT @ design
        penalty = _RIDGE * (squares.diagonal() + len(design))
        change, level = torch.linalg.solve(squares + penalty.diag(), design.mT @ target).float().chunk(2)
        self.ahead.weight[-1], self.season_before.weight[-1] = change + level, -change
        self.block_mean.weight[-1] = -level

    def forward(
        self, covariates: Float[Tensor, "N L C"], h: Float[Tensor, "N K U"], origins: Int[Tensor, "K"]
    ) -> Float[Tensor, "N K F"]:
        """Return corrections of the forecasts from K origins, in scales."""
        vectors = self.embedding(covariates)
        gathered = self._gather(self.ahead(vectors), self.season_before(vectors), self.block_mean(vectors), origins)
        hidden = sum(gathered, self.state(h).unsqueeze(2))
        return self.effect(hidden[..., :-1].tanh()).squeeze(-1) + hidden[..., -1]

    def _gather(
        self,
        ahead: Float[Tensor, "N L E"],
        season_before: Float[Tensor, "N L E"],
        block_mean: Float[Tensor, "N L E"],
        origins: Int[Tensor, "K"],
    ) -> tuple[Float[Tensor, "N K F E"], Float[Tensor, "N K F E"], Float[Tensor, "N K 1 E"]]:
        """Gather vectors of the steps to forecast, of the same steps a season before, and their mean over a block."""
        plan = self.plan
        steps = torch.arange(plan.horizon, device=ahead.device)
        origins = origins.to(ahead.device)[:, None]
        last = origins - plan.block + steps % plan.block if plan.season > 1 else (origins - 1).expand(-1, plan.horizon)
        means = block_mean[:, : plan.lookback].unflatten(1, (-1, plan.block)).mean(2)
        block = origins[:, 0] // plan.block - 1
        return ahead[:, origins + steps], season_before[:, last], means[:, block].unsqueeze(2)
