"""Presets: how much work a forecaster puts into learning."""

from __future__ import annotations

import re
from dataclasses import dataclass

from throughtime._errors import InputError


@dataclass(frozen=True)
class Preset:
    """Work.

    Attributes:
        pace: updates of the network for each window of data, to the power of 0.4.
        most: updates.
    """

    pace: int
    most: int

    def updates(self, windows: float) -> int:
        """Updates for data of so many windows that do not overlap: few data are soon learned by heart."""
        return round(min(self.pace * max(windows, 1.0) ** 0.4, self.most))


PRESETS = {"fast": Preset(30, 200), "balanced": Preset(60, 1200), "best": Preset(120, 4000)}


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
