"""Series that have ended: closed shops, discontinued products.

A series has ended where its last value is a horizon or more before the last value of the panel: all steps of a forecast
from there are in the past. Such series are named, covariates known in advance are not required for them, and a backtest
does not score them. The setting `ended` decides whether and from where they are forecast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from throughtime.data.series.panel import format_date

if TYPE_CHECKING:
    from throughtime.data.series.panel import Panel

ENDED_POLICIES = ("own", "common", "skip")
"""Where forecasts of series that have ended start: at their own end, at the last date of all series, or not at all."""

_MAX_NAMED = 5


def apply_ended_policy(panel: Panel, horizon: int, ended: str) -> Panel:
    """Return the panel to forecast under the setting `ended`."""
    if ended == "skip":
        return panel.select(np.flatnonzero(~panel.ended(horizon)).tolist())
    return panel.extend_to_common_end(panel.ended(horizon)) if ended == "common" else panel


def ended_notes(panel: Panel, horizon: int, ended: str) -> list[str]:
    """Name the series that have ended, with the date of their last value and how they are forecast."""
    indices = np.flatnonzero(panel.ended(horizon))
    if not len(indices):
        return []
    ends, last = panel.last_stamps, format_date(panel.last_stamp)
    named = ", ".join(f"{panel.ids[i]} (last value {format_date(ends[i])})" for i in indices[:_MAX_NAMED])
    more = f" and {len(indices) - _MAX_NAMED} more" if len(indices) > _MAX_NAMED else ""
    treatment = {
        "own": "forecast from the end of their own rows",
        "common": f"forecast after {last} like the others",
        "skip": "not forecast",
    }[ended]
    count = f"{len(indices)} of {len(panel)} series"
    return [f"Ended {horizon} steps or more before {last}: {count}, {named}{more}; {treatment} (ended={ended!r})."]


def scored_series(panel: Panel, horizon: int) -> list[int]:
    """Return the series that a backtest scores: without ended ones, unless most series end at different dates."""
    active = ~panel.ended(horizon)
    return np.flatnonzero(active if 2 * active.sum() >= len(panel) else np.ones(len(panel), dtype=bool)).tolist()
