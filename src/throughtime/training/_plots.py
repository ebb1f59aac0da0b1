"""Matplotlib figures of networks: folded and unfolded, their states over time, their gradients by lag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughtime._core.errors import requires
from throughtime.nn._recurrent import AbstractRecurrent
from throughtime.nn._trace import trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import Tensor, nn

    from throughtime.training._doctor import Diagnosis


def plot_gradients(diagnosis: Diagnosis, *, season: int | None = None) -> Figure:
    """Plot the mean gradient norm by lag, on a logarithmic scale, and the spectral radius by step, for each layer.

    Args:
        diagnosis: of `doctor`.
        season: steps that the network should reach back; drawn as a line.
    """
    figure, (gradients, radii) = _figure(9, 3.5, columns=2)
    for layer in diagnosis.layers:
        gradients.semilogy(layer.state_gradients, label=f"{layer.name}: halves every {layer.half_life:.1f} steps")
        radii.plot(list(layer.spectral_radius), list(layer.spectral_radius.values()))
    if season is not None:
        gradients.axvline(season, color="0.6", linestyle="--", label=f"season of {season}")
    gradients.set_xlabel("lag (steps before the last)")
    gradients.set_ylabel("‖∂L/∂h‖")
    gradients.legend(frameon=False)
    radii.axhline(1, color="0.6", linestyle="--")
    radii.set_ylim(bottom=0)
    radii.set_xlabel("step")
    radii.set_ylabel("spectral radius of the Jacobian")
    return figure


def plot_states(model: nn.Module, x: Tensor, *, row: int = 0, **options: Any) -> Figure:
    """Plot the hidden state of one sequence over time: a row for each unit, a panel for each layer and direction."""
    layers = trace(model, x, **options)
    if not layers:
        raise _no_layer(model)
    rows = layers[0].states["h"].shape[1]
    if not 0 <= row < rows:
        raise ValueError(f"row: expected one of 0 … {rows - 1}, got {row}")
    figure, axes = _figure(7, 1.2 + 2 * len(layers), rows=len(layers))
    for ax, layer in zip(axes if len(layers) > 1 else [axes], layers, strict=True):
        h = layer.states["h"][:, row].T.numpy()
        image = ax.imshow(h, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        ax.set_title(layer.name, loc="left", fontsize="medium")
        ax.set_ylabel("unit")
        figure.colorbar(image, ax=ax)
    (axes if len(layers) == 1 else axes[-1]).set_xlabel("step")
    return figure


def plot_unfolded(model: nn.Module, k: int = 4) -> Figure:
    """Draw the first recurrent layer of a model, folded on the left and unfolded over k steps on the right."""
    layer = next((m for m in model.modules() if isinstance(m, AbstractRecurrent)), None)
    if layer is None:
        raise _no_layer(model)
    figure, axes = _figure(2 + 1.5 * (k + 1), 3)
    axes.axis("off")
    axes.set_xlim(-1, 2 * k + 2.5)
    axes.set_ylim(-0.7, 2.8)
    _draw_step(axes, 0, "x", f"h ({layer.hidden_size})", "y")
    axes.annotate("", (0.35, 1.3), (0.35, 0.7), arrowprops={"arrowstyle": "->", "connectionstyle": "arc3,rad=1.6"})
    axes.text(1.0, 1.0, "W_hh", va="center", fontsize="small")
    axes.text(1.5, 1.0, "=", va="center", ha="center", fontsize="x-large")
    for step in range(k):
        x = 2.4 + 2 * step
        _draw_step(axes, x, f"x_{step}", f"h_{step + 1}", f"y_{step + 1}")
        axes.annotate("", (x - 0.42, 1), (x - 1.58 if step else x - 0.8, 1), arrowprops={"arrowstyle": "->"})
    axes.text(2.4, -0.6, f"{k} copies share the same weights; inputs {layer.input_size}, units {layer.hidden_size}")
    return figure


def _no_layer(model: nn.Module) -> ValueError:
    return ValueError(f"model: expected a recurrent layer of throughtime.nn inside, got {type(model).__name__}")


def _draw_step(axes: Axes, x: float, below: str, middle: str, above: str) -> None:
    for y, text in enumerate((below, middle, above)):
        style = {"boxstyle": "round,pad=0.3", "fc": "white" if y != 1 else "#dde8f7", "ec": "#4a6fa5"}
        axes.text(x, y, text, ha="center", va="center", bbox=style)
    for y in (0, 1):
        axes.annotate("", (x, y + 0.72), (x, y + 0.28), arrowprops={"arrowstyle": "->"})


def _figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, Any]:
    with requires("forecast", "a picture"):
        from matplotlib import pyplot as plt

    return plt.subplots(rows, columns, figsize=(width, height), layout="constrained")
