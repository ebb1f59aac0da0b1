"""Where a network's memory ends: the gradient of the loss with respect to the hidden state, by lag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from throughtime.tasks.forecasting import Forecaster


@dataclass(frozen=True)
class Memory:
    """How gradients flow back from the last forecast of a window.

    Attributes:
        gradients: mean norm by lag, in recurrent steps: at 0 the last one.
        half_life: recurrent steps in which the norm falls to a half; infinite where it does not fall.
    """

    gradients: list[float]
    half_life: float

    @property
    def reach(self) -> int | None:
        """Recurrent steps after which less than 1 % of the largest gradient is left; None where more remains."""
        largest = max(self.gradients)
        over = [lag for lag, norm in enumerate(self.gradients) if norm >= 0.01 * largest]
        return None if over[-1] == len(self.gradients) - 1 else over[-1] + 1


def memory(forecaster: Forecaster) -> Memory:
    """Look at windows of the training data."""
    layer = forecaster.explain().layers[0]
    return Memory(layer.state_gradients, layer.half_life)
