"""Pictures of music and of learning, as matplotlib figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import requires
from throughtime.data.music.piano_roll import LOWEST, as_roll

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from throughtime.training import History

_GRAY, _OURS, _BASELINE = "#333333", "#1f6fb4", "#b0651a"
_OCTAVE = 12


def plot_piano_roll(piece: Any, *, prompt_steps: int = 0, steps_per_beat: int = 2) -> Figure:
    """Plot a piece: time to the right, pitch upwards.

    Args:
        piece: steps, each a list of notes.
        prompt_steps: steps at its beginning that were the prompt, drawn in another colour.
        steps_per_beat: of the grid.
    """
    with requires("text", "a picture"):
        import matplotlib.pyplot as plt

    roll = as_roll(piece)
    steps, keys = np.nonzero(roll)
    low, high = (int(keys.min()), int(keys.max())) if len(keys) else (0, roll.shape[1] - 1)
    figure, ax = plt.subplots(figsize=(min(3 + 0.09 * len(roll), 16), 3.6), layout="constrained")
    colours = np.where(steps < prompt_steps, _BASELINE, _OURS)
    ax.bar(steps, 0.8, width=1.0, bottom=keys + LOWEST - 0.4, align="edge", color=colours)
    ax.set_xlim(0, len(roll))
    ax.set_ylim(low + LOWEST - 1.5, high + LOWEST + 1.5)
    octaves = [n for n in range(0, 128, _OCTAVE) if low + LOWEST - 1 <= n <= high + LOWEST + 1]
    ax.set_yticks(octaves, [f"C{n // _OCTAVE - 1}" for n in octaves])
    ax.set_xticks(np.arange(0, len(roll) + 1, 8 * steps_per_beat))
    ax.grid(color=_GRAY, alpha=0.15, lw=0.6)
    ax.set_axisbelow(True)
    ax.set_xlabel("step")
    ax.spines[["top", "right"]].set_visible(False)
    return figure


def plot_learning(history: History) -> Figure:
    """Loss of each epoch in training, with dropout, and in validation, without."""
    with requires("text", "a picture"):
        import matplotlib.pyplot as plt

    figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
    epochs = [record.epoch for record in history.records]
    ax.plot(epochs, [record.loss for record in history.records], color=_GRAY, lw=1.0, label="training")
    validation = [record.validation_loss for record in history.records]
    if None not in validation:
        ax.plot(epochs, np.array(validation, dtype=float), color=_OURS, label="validation")
    if history.best is not None:
        ax.axvline(history.best.epoch, color=_BASELINE, lw=0.8, ls="--", label="kept")
    ax.set_xlabel("epoch")
    ax.set_ylabel("nats per step")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return figure
