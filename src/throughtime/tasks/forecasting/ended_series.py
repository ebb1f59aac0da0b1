"""Series that have ended: closed shops, products that are no longer sold.

A series has ended where its last value lies a horizon or more before the last value of the panel: all that could be
forecast from there lies in the past. Such series are named, columns known in advance are not asked for them, and a
backtest does not score them; whether and from where they are forecast is a setting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from throughtime.data.series.panel import format_date

if TYPE_CHECKING:
    from throughtime.data.series.panel import Panel

ENDED_POLICIES = ("own", "common", "skip")
"""From where series that have ended are forecast: their own end, the last date of all series, or not at all."""

_MOST_NAMED = 5


def apply_ended_policy(panel: Panel, horizon: int, ended: str) -> Panel:
    """Return what is forecast of a panel by the setting `ended`."""
    if ended == "skip":
        return panel.select(np.flatnonzero(~panel.ended(horizon)).tolist())
    return panel.extend_to_common_end(panel.ended(horizon)) if ended == "common" else panel


def ended_notes(panel: Panel, horizon: int, ended: str) -> list[str]:
    """Name the series that have ended, with the date of their last value and what is forecast of them."""
    chosen = np.flatnonzero(panel.ended(horizon))
    if not len(chosen):
        return []
    ends, last = panel.last_stamps, format_date(panel.last_stamp)
    named = ", ".join(f"{panel.ids[i]} (last value {format_date(ends[i])})" for i in chosen[:_MOST_NAMED])
    more = f" and {len(chosen) - _MOST_NAMED} more" if len(chosen) > _MOST_NAMED else ""
    treatment = {
        "own": "forecast from the end of their own rows",
        "common": f"forecast after {last} like the others",
        "skip": "not forecast",
    }[ended]
    count = f"{len(chosen)} of {len(panel)} series"
    return [f"Ended {horizon} steps or more before {last}: {count}, {named}{more}; {treatment} (ended={ended!r})."]


def scored_series(panel: Panel, horizon: int) -> list[int]:
    """Return the series that a backtest scores: without ended ones, unless most series end at dates of their own."""
    going_on = ~panel.ended(horizon)
    return np.flatnonzero(going_on if 2 * going_on.sum() >= len(panel) else np.ones(len(panel), dtype=bool)).tolist()
