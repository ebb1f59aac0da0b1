"""Losses of forecasts, not of logarithms, at every origin, with weights for what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

LOSSES = ("owa", "mase")
"""Names of losses that a forecaster may train on."""


class ForecastLoss:
    """Mean of sMAPE and MASE, each relative to that of the naive experts' average ('owa'), or MASE alone.

    sMAPE has no meaning for values around zero, so that series that are not positive count with MASE only.
    """

    def __init__(self, name: str) -> None:
        self.relative = name == "owa"

    def __call__(self, z: Float[Tensor, "N K F"], target: Float[Tensor, "N K F 5"]) -> Tensor:
        """Compare what the network gives with `WindowStore.targets`."""
        return self._errors(z, target).sum() / target[..., 1].sum().clamp(min=1)

    def by_step(self, z: Float[Tensor, "N K F"], target: Float[Tensor, "N K F 5"]) -> Float[Tensor, "F"]:
        """The loss of each step ahead alone."""
        return self._errors(z, target).sum((0, 1)) / target[..., 1].sum((0, 1)).clamp(min=1)

    def _errors(self, z: Float[Tensor, "N K F"], target: Float[Tensor, "N K F 5"]) -> Float[Tensor, "N K F"]:
        """Errors in what they count, 0 where the truth is unknown."""
        value, weight, inverse_error, positive, _ = target.unbind(-1)
        forecast = torch.where(positive > 0, z.clamp(max=30).exp(), z)
        error = (value - forecast).abs() * weight
        if not self.relative:
            return error * inverse_error
        size = (value.abs() + forecast.abs()).clamp(min=1e-8)
        # 0.15 is a usual sMAPE and 1 a usual MASE of naive forecasts: the two weigh alike.
        return error * ((1 - 0.5 * positive) * inverse_error + positive / 0.15 / size)
