"""How far back a network learns: the gradient of the loss with respect to the hidden state, by lag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from throughtime.tasks.forecasting import Forecaster

_NEGLIGIBLE = 0.01  # of the largest gradient


@dataclass(frozen=True)
class GradientDecay:
    """How gradients flow back from the last forecast of a window.

    Attributes:
        gradients: mean norm by lag, in recurrent steps; lag 0 is the last step.
        half_life: recurrent steps in which the norm falls to a half; infinite if it does not fall.
    """

    gradients: list[float]
    half_life: float

    @property
    def steps(self) -> int | None:
        """Recurrent steps after which less than 1 % of the largest gradient is left; None if more remains."""
        largest = max(self.gradients)
        lags = [lag for lag, norm in enumerate(self.gradients) if norm >= _NEGLIGIBLE * largest]
        return None if lags[-1] == len(self.gradients) - 1 else lags[-1] + 1


def measure_gradient_reach(forecaster: Forecaster) -> GradientDecay:
    """Measure the gradients on windows of the training data."""
    layer = forecaster.explain().layers[0]
    return GradientDecay(layer.state_gradients, layer.half_life)
