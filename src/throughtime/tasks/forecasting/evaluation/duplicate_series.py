"""Later series that are learned ones under another name, found by their values on the same dates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from throughtime.data.series.panel import Panel

_ROWS = 16  # values that are compared
_DISTINCT = 4  # of them; fewer may be the same by chance
_ROUNDED = 0.02  # of the standard deviation of values: rounding, as by another file, makes no other series
_MOST = 4_000_000  # pairs of series


def check_duplicate_series(newer: Panel, learned: Panel) -> None:
    """Refuse new series whose values are those of a learned series on the same dates.

    Raises:
        InputError: names the first, and the learned one.
    """
    known = {*learned.ids}
    fresh = [i for i, name in enumerate(newer.ids) if name not in known][: _MOST // len(learned)]
    if not fresh or newer.starts.dtype != learned.starts.dtype:
        return
    for i in fresh:
        # The last rows that may have been learned from.
        ahead = int(newer.frequency.steps(newer.starts[i], learned.last_stamp)) + 1
        end = min(len(newer[i]), ahead)
        values = newer[i][max(end - _ROWS, 0) : end]
        if end < _ROWS or len(np.unique(values[np.isfinite(values)])) < _DISTINCT:
            continue
        first = newer.stamps(i, end - _ROWS, 1)[0]
        copied = _equal(learned, first, values)
        if copied is not None:
            name = learned.ids[copied]
            raise InputError(
                f"df: series {newer.ids[i]} has the values that series {name} had in training on the same dates, and "
                f"would be scored on learned rows; name it {name}, or leave it out"
            )


def _equal(learned: Panel, first: np.generic, values: np.ndarray) -> int | None:
    """The learned series that has these values, perhaps rounded, from the date `first` on; None where there is none."""
    starts = learned.starts
    steps = learned.frequency.steps(starts, np.full_like(starts, first))
    inside = (steps >= 0) & (steps + len(values) <= learned.lengths)
    inside &= learned.frequency.stamps(starts, steps) == first
    chosen = np.flatnonzero(inside)
    places = (learned.offsets[:-1][chosen] + steps[chosen])[:, None] + np.arange(len(values))
    close = np.abs(learned.values[places] - values) <= _ROUNDED * np.nanstd(values)
    same = (close | np.isnan(values)).all(1)
    return int(chosen[same.argmax()]) if same.any() else None
