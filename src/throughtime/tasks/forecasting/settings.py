"""Presets: how much work a forecaster puts into learning."""

from __future__ import annotations

import re
from dataclasses import dataclass

from throughtime._errors import InputError


@dataclass(frozen=True)
class Preset:
    """Work.

    Attributes:
        updates: of the network while the end of the history is held out.
        refit: share of them spent again on the whole history.
    """

    updates: int
    refit: float


PRESETS = {"fast": Preset(100, 0.5), "balanced": Preset(400, 1.0), "best": Preset(1200, 1.0)}


def seconds_of(budget: float | str | None) -> float:
    """A budget in seconds: a number, or '90s', '5m', '1h'; None is endless.

    Raises:
        InputError: for anything else.
    """
    if budget is None:
        return float("inf")
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|m|min|h)?\s*", str(budget))
    if match is None or float(match[1]) <= 0:
        raise InputError(f"budget: expected a time such as 90, '90s', '5m' or '1h', got {budget!r}")
    return float(match[1]) * {"m": 60, "min": 60, "h": 3600}.get(match[2] or "", 1)
