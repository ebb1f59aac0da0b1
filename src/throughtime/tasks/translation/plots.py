"""A picture of attention, as a matplotlib figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughtime._core.errors import requires

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from throughtime.tasks.translation.estimator import Alignment


def plot_alignment(alignment: Alignment) -> Figure:
    """Plot a row for each subword written; darker fields mean more attention to the subword of the source."""
    with requires("text", "a picture"):
        import matplotlib.pyplot as plt

    across, down = len(alignment.source), len(alignment.target)
    figure, ax = plt.subplots(figsize=(2 + 0.4 * across, 1.5 + 0.3 * down), layout="constrained")
    ax.imshow(alignment.weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    ax.set_xticks(range(across), alignment.source, rotation=60, ha="left", rotation_mode="anchor")
    ax.set_yticks(range(down), alignment.target)
    ax.xaxis.tick_top()
    ax.spines[:].set_visible(False)
    return figure
