"""Later series that duplicate a training series under another name, found by their values on the same dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from throughtime.data.series.panel import Panel

_ROWS = 16  # values that are compared
_MIN_DISTINCT = 4  # different values among them; fewer may agree by coincidence
_ROUNDING = 0.02  # of the standard deviation of values: rounding in another file does not make another series
_MAX_PAIRS = 4_000_000  # of series


def check_duplicate_series(newer: Panel, learned: Panel) -> None:
    """Refuse new series whose values are those of a training series on the same dates.

    Raises:
        InputError: names the first, and the training series.
    """
    known_ids = {*learned.ids}
    new = [i for i, name in enumerate(newer.ids) if name not in known_ids][: _MAX_PAIRS // len(learned)]
    if not new or newer.starts.dtype != learned.starts.dtype:
        return
    for i in new:
        # The last rows that may have been in the training data.
        steps = int(newer.frequency.steps(newer.starts[i], learned.last_stamp)) + 1
        end = min(len(newer[i]), steps)
        values = newer[i][max(end - _ROWS, 0) : end]
        if end < _ROWS or len(np.unique(values[np.isfinite(values)])) < _MIN_DISTINCT:
            continue
        first = newer.stamps(i, end - _ROWS, 1)[0]
        duplicate = _find_equal(learned, first, values)
        if duplicate is not None:
            name = learned.ids[duplicate]
            raise InputError(
                f"df: series {newer.ids[i]} has the values that series {name} had in training on the same dates, and "
                f"would be scored on training rows; name it {name}, or leave it out"
            )


def _find_equal(learned: Panel, first: np.generic, values: np.ndarray) -> int | None:
    """Return the training series with these values, perhaps rounded, from the date `first` on; None without any."""
    starts = learned.starts
    steps = learned.frequency.steps(starts, np.full_like(starts, first))
    inside = (steps >= 0) & (steps + len(values) <= learned.lengths)
    inside &= learned.frequency.stamps(starts, steps) == first
    candidates = np.flatnonzero(inside)
    positions = (learned.offsets[:-1][candidates] + steps[candidates])[:, None] + np.arange(len(values))
    close = np.abs(learned.values[positions] - values) <= _ROUNDING * np.nanstd(values)
    equal = (close | np.isnan(values)).all(1)
    return int(candidates[equal.argmax()]) if equal.any() else None
