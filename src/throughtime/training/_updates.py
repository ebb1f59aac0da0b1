"""The result of updates, however they are computed."""

from __future__ import annotations

import math
from typing import Any, NamedTuple


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
