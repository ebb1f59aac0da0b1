"""Structural zeros: positions of a season at which a series is always zero, such as the Sundays or nights of a shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Float

MIN_COUNT = 4
"""Observations that a position must have."""

SIGNIFICANCE = 1e-4
"""Probability below which zeros at a position are not explained by chance."""


def find_structural_zeros(
    values: Float[np.ndarray, "T"], seasons: Sequence[int], ahead: int
) -> Bool[np.ndarray, "T+ahead"]:
    """Return which steps of a series, and of the `ahead` steps after it, are structural zeros.

    A position of a season is one if all of its observed values are zero, and if that many zeros are unlikely at the
    rate of zeros at the other positions. Missing values are NaN.
    """
    steps = np.arange(len(values) + ahead)
    structural = np.zeros(len(steps), dtype=bool)
    is_zero, is_observed = values == 0, np.isfinite(values)
    for season in seasons:
        if not is_zero.any() or season < 2:
            continue
        positions = steps[: len(values)] % season
        counts, zeros = (
            np.bincount(positions[mask], minlength=season) for mask in (is_observed, is_observed & is_zero)
        )
        always_zero = (counts >= MIN_COUNT) & (zeros == counts)
        other_counts, other_zeros = counts[~always_zero].sum(), zeros[~always_zero].sum()
        if not other_counts > other_zeros:
            continue
        zero_rate = (other_zeros + 1) / (other_counts + 2)
        structural |= (always_zero & (season * zero_rate**counts < SIGNIFICANCE))[steps % season]
    return structural
