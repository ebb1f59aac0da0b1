"""Positions of a season at which a series was zero each time, such as the Sundays or the nights of a shop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

_FEWEST = 4  # times that a position must have been seen
_CHANCE = 1e-4  # probability, up to which zeros at all positions of a season at all times are no coincidence


def find_structural_zeros(values: np.ndarray, seasons: Sequence[int], ahead: int) -> np.ndarray:
    """Return which steps of a series, NaN where unknown, and of `ahead` steps after it are closed: (T + ahead,).

    A position is closed if all of its known values are zero, and if as many zeros in a row are unlikely at the
    frequency of zeros at the positions that are not closed.
    """
    steps = np.arange(len(values) + ahead)
    closed = np.zeros(len(steps), dtype=bool)
    zero, known = values == 0, np.isfinite(values)
    for season in seasons:
        if not zero.any() or season < 2:
            continue
        places = steps[: len(values)] % season
        counts, zeros = (np.bincount(places[mask], minlength=season) for mask in (known, known & zero))
        always = (counts >= _FEWEST) & (zeros == counts)
        open_counts, open_zeros = counts[~always].sum(), zeros[~always].sum()
        if not open_counts > open_zeros:
            continue
        share = (open_zeros + 1) / (open_counts + 2)
        closed |= (always & (season * share**counts < _CHANCE))[steps % season]
    return closed
