"""The settings and the result of updates, however they are computed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from throughtime.training._bptt import BPTT
    from throughtime.training._distributed import DistributedContext
    from throughtime.training._losses import Loss


class UpdateConfig(NamedTuple):
    """Settings of the updates of a training.

    Attributes:
        model: is called with (x, state); the trained one, perhaps in another precision.
        loss: function of (y, target).
        optimizer: of the model's parameters.
        scheduler: takes a step after each update.
        bptt: strategy.
        clip: largest norm of the gradient.
        distributed: processes that train together.
    """

    model: nn.Module
    loss: Loss
    optimizer: Optimizer
    scheduler: LRScheduler | None
    bptt: BPTT
    clip: float
    distributed: DistributedContext


class UpdateResult(NamedTuple):
    """Consecutive updates. The last one was not made if its loss or gradient is not finite.

    Attributes:
        losses: mean loss over the targets, of each update.
        norms: norm of the gradient before clipping, of each update.
        targets: number of targets, of each update; 0 for a window without any, which makes no update.
        state: state to continue from.
    """

    losses: list[float]
    norms: list[float]
    targets: list[int]
    state: Any

    @property
    def is_finite(self) -> bool:
        """Return whether all updates were made."""
        return not self.losses or (math.isfinite(self.losses[-1]) and math.isfinite(self.norms[-1]))

    @property
    def updates(self) -> int:
        """Return the number of updates, the one that failed included."""
        return len(self.targets) if any(self.targets) else 0
