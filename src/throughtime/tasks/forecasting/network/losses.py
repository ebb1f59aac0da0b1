"""Losses of forecasts at every origin, in the units of the series, weighted by what is observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

LOSSES = ("owa", "mase")
"""Names of the losses that a forecaster trains on."""


class ForecastLoss:
    """Mean of sMAPE and MASE, each relative to the average of the naive forecasts ('owa'), or MASE alone.

    sMAPE is not meaningful for values around zero, so series that are not positive count with MASE only.
    """

    def __init__(self, name: str) -> None:
        self.relative = name == "owa"

    def __call__(self, z: Float[Tensor, "N K F"], target: Float[Tensor, "N K F 5"]) -> Float[Tensor, ""]:
        """Compare the output of the network with `WindowStore.targets`."""
        return self._errors(z, target).sum() / target[..., 1].sum().clamp(min=1)

    def sums(
        self, z: Float[Tensor, "N K F"], target: Float[Tensor, "N K F 5"]
    ) -> tuple[Float[Tensor, "N"], Float[Tensor, "N"]]:
        """Return the sum of the errors of each window and the number of observed values that they are made of."""
        return self._errors(z, target).sum((1, 2)), target[..., 1].sum((1, 2))

    def by_step(self, z: Float[Tensor, "N K F"], target: Float[Tensor, "N K F 5"]) -> Float[Tensor, "F"]:
        """Return the loss of each step ahead."""
        return self._errors(z, target).sum((0, 1)) / target[..., 1].sum((0, 1)).clamp(min=1)

    def _errors(self, z: Float[Tensor, "N K F"], target: Float[Tensor, "N K F 5"]) -> Float[Tensor, "N K F"]:
        """Return weighted errors, 0 where the target is unknown."""
        value, weight, inverse_error, positive, _ = target.unbind(-1)
        forecast = torch.where(positive > 0, z.clamp(max=30).exp(), z)
        error = (value - forecast).abs() * weight
        if not self.relative:
            return error * inverse_error
        size = (value.abs() + forecast.abs()).clamp(min=1e-8)
        # Naive forecasts typically have an sMAPE of 0.15 and a MASE of 1: divided by these, both count equally.
        return error * ((1 - 0.5 * positive) * inverse_error + positive / 0.15 / size)
