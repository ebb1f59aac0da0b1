"""The denominator of MASE, the unit in which errors of different series compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Shaped


def naive_error(history: Shaped[np.ndarray, "T"], season: int) -> float:
    """Return the mean |y_t - y_{t-m}| of a history; m = 1 if it is no longer than a season; 0 without any value."""
    lag = season if len(history) > season else 1
    differences = np.abs(history[lag:] - history[:-lag])
    differences = differences[np.isfinite(differences)]
    return float(differences.mean()) if len(differences) else 0.0
