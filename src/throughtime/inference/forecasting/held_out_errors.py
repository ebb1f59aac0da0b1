"""Errors of the forecasts that a calibration was made on, against which later errors are compared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

MAX_WINDOWS = 2048
"""Windows that are kept."""

UNIT_LEVEL = 80
"""Level in percent of the interval whose half width is the unit of errors."""


@dataclass(frozen=True)
class HeldOutErrors:
    """Errors of held-out windows, in half widths of the interval of `UNIT_LEVEL` percent; NaN where unknown.

    Attributes:
        errors: of each window: (n, F).
        series: index of the series of each window.
        steps_back: steps from the origin of each window to the end of its series.
    """

    errors: Float[np.ndarray, "n F"] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.float32))
    series: Int[np.ndarray, "n"] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    steps_back: Int[np.ndarray, "n"] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    @classmethod
    def of(
        cls, errors: Float[np.ndarray, "n F"], series: Int[np.ndarray, "n"], steps_back: Int[np.ndarray, "n"]
    ) -> HeldOutErrors:
        """Keep the windows of some origins, evenly spread, where there are too many."""
        origins = np.unique(steps_back)
        count = max(1, MAX_WINDOWS // max(len(np.unique(series)), 1))
        kept = origins[np.linspace(0, len(origins) - 1, min(count, len(origins))).astype(int)]
        rows = np.flatnonzero(np.isin(steps_back, kept))[: 4 * MAX_WINDOWS]
        return cls(errors[rows].astype(np.float32), series[rows], steps_back[rows])
