"""Presets: how many updates a forecaster trains for, and its learning rate and dropout."""

from __future__ import annotations

from dataclasses import dataclass

from throughtime._core.errors import InputError
from throughtime._core.param_checks import check_fraction, check_int


@dataclass(frozen=True)
class Preset:
    """The amount of training as a value: `dataclasses.replace(PRESETS["fast"], dropout=0.3)` is a preset too.

    Args:
        update_factor: updates of the network per (windows of data)^0.4.
        max_updates: upper bound of the updates.
        learning_rate: at the top of its cycle.
        dropout: of the inputs of the output layers, 0 … 1.

    >>> Preset(update_factor=30, max_updates=200, dropout=0.3).updates(windows=10.0)
    75
    """

    update_factor: int
    max_updates: int
    learning_rate: float = 3e-3
    dropout: float = 0.1

    def __post_init__(self) -> None:
        check_int("preset: update_factor", self.update_factor)
        check_int("preset: max_updates", self.max_updates)
        check_fraction("preset: dropout", self.dropout)
        rate = self.learning_rate
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 1:
            raise InputError(f"preset: learning_rate: expected a number above 0 and up to 1, got {rate!r}")

    @classmethod
    def of(cls, value: str | Preset) -> Preset:
        """Return the preset of a name, or the preset itself.

        Raises:
            InputError: for an unknown name.
        """
        if isinstance(value, Preset):
            return value
        if not isinstance(value, str) or value not in PRESETS:
            raise InputError(f"preset: expected one of {', '.join(PRESETS)} or a Preset, got {value!r}")
        return PRESETS[value]

    def updates(self, windows: float) -> int:
        """Return the updates for a number of windows that do not overlap: fewer for few data, which are overfitted."""
        return round(min(self.update_factor * max(windows, 1.0) ** 0.4, self.max_updates))


PRESETS = {"fast": Preset(30, 200), "balanced": Preset(60, 1200), "best": Preset(120, 4000)}
"""Presets by name."""
