"""Covariates of a batch of series of one length, as `PreparedSeries` and `design` encode those of one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from throughtime.inference.forecasting.linear_effects import is_linear

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float, Int
    from torch import Tensor

    from throughtime.data.series.covariates import Feature
    from throughtime.inference.forecasting.linear_effects import LinearEffects

_CONSTANT = 1e-9  # spread relative to the mean up to which a column is constant


class SeriesCovariates(nn.Module):
    """Encoded covariates, and their linear effects.

    Args:
        features: of the columns, in their order.
        effects: equal for all series; None for none.
    """

    coefficients: Tensor

    def __init__(self, features: Sequence[Feature], effects: LinearEffects | None) -> None:
        super().__init__()
        self.features = tuple(features)
        self.register_buffer("coefficients", None if effects is None else torch.tensor(effects.coefficients))

    def encode(
        self, columns: Float[Tensor, "N total C"], first: Int[Tensor, "N 1"], steps: int
    ) -> Float[Tensor, "N total C"]:
        """Return what the network reads, 0 where unknown, of columns of which the first `steps` are past."""
        rows = torch.arange(columns.shape[1])
        is_past = (rows >= first) & (rows < steps)
        encoded = []
        for feature, values in zip(self.features, columns.unbind(-1), strict=True):
            if not feature.categories and feature.role == "static":
                values = (values - feature.mean) / feature.scale  # noqa: PLW2901
            elif not feature.categories and not feature.flag:
                values = _standardize(values, is_past & ~values.isnan())  # noqa: PLW2901
            encoded.append(torch.where(values.isnan(), 0.0, values))
        return torch.stack(encoded, -1)

    def effect(self, columns: Float[Tensor, "N total C"]) -> Float[Tensor, "N total"]:
        """Return the linear effect at each step, in transformed values."""
        parts = []
        for feature, values in zip(self.features, columns.unbind(-1), strict=True):
            if not is_linear(feature):
                continue
            if feature.categories:
                codes = torch.arange(2, len(feature.categories) + 1)
                one_hot = (values.unsqueeze(-1) == codes).to(values.dtype)
                shares = torch.tensor(feature.shares[1:])
                parts.append(torch.where(values.unsqueeze(-1) == 0, shares, one_hot))
            else:
                scaled = values if feature.flag else (values - feature.mean) / feature.scale
                parts.append(torch.where(scaled.isnan(), 0.0, scaled).unsqueeze(-1))
        return torch.cat(parts, -1) @ self.coefficients if parts else torch.zeros_like(columns[..., 0])


def _standardize(values: Float[Tensor, "N total"], chosen: Tensor) -> Float[Tensor, "N total"]:
    count = chosen.sum(1, keepdim=True)
    mean = torch.where(chosen, values, 0.0).sum(1, keepdim=True) / count.clamp(min=1)
    deviation = torch.where(chosen, values - mean, 0.0)
    spread = ((deviation**2).sum(1, keepdim=True) / count.clamp(min=1)).sqrt()
    ratio = (values - mean) / torch.where(spread <= _CONSTANT * mean.abs(), 1.0, spread)
    size = ratio.abs()
    damped = (size + (size * size + 1).sqrt()).log()
    return torch.where(count > 0, torch.where(ratio < 0, -damped, damped), values * 0.0)
