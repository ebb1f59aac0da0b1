"""Presets: how much work a forecaster puts into learning."""

from __future__ import annotations

from dataclasses import dataclass


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
