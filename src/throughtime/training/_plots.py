"""Matplotlib figures of networks at work: their states over time, their memory, their gradients by lag."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from throughtime._core.errors import requires
from throughtime.nn._trace import trace
from throughtime.training._time_axis import is_per_step, time_dim

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor, nn

    from throughtime.nn._trace import LayerTrace
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


def plot_states(model: nn.Module, x: Tensor, *, row: int = 0, gates: bool = True, **options: Any) -> Figure:
    """Plot what a sequence does to the states and gates of a network over time, a row of the picture for each unit.

    Units that behave alike are next to each other, in the same order in all pictures of a layer.

    Args:
        model: a recurrent layer, or any module with some inside; layers of torch.nn too.
        x: its input.
        row: of the batch.
        gates: whether to plot the gates too.
        options: further arguments of the model, such as `lengths`.

    Raises:
        ValueError: for a model without a recurrent layer, and a row that the batch does not have.
    """
    layers = trace(model, x, **options)
    if not layers:
        raise ValueError(f"model: expected a recurrent layer inside, got {type(model).__name__}")
    rows = layers[0].states["h"].shape[1]
    if not 0 <= row < rows:
        raise ValueError(f"row: expected one of 0 … {rows - 1}, got {row}")
    panels = [panel for layer in layers for panel in _state_panels(layer, row, gates=gates)]
    inputs = layers[0].step.x[:, row].detach().cpu().numpy()
    figure, axes = _figure(8, 1.4 + 1.3 * len(panels), rows=1 + len(panels), height_ratios=[0.7, *[1.0] * len(panels)])
    axes[0].plot(inputs, linewidth=1)
    axes[0].set_title("input", loc="left", fontsize="small")
    axes[0].set_xlim(-0.5, len(inputs) - 0.5)
    for ax, (title, values, limits, colors) in zip(axes[1:], panels, strict=True):
        low, high = limits
        image = ax.imshow(values, aspect="auto", cmap=colors, vmin=low, vmax=high, interpolation="nearest")
        ax.set_title(title, loc="left", fontsize="small")
        ax.set_yticks([])
        figure.colorbar(image, ax=ax, pad=0.01)
    for ax in axes[:-1]:
        ax.set_xticklabels([])
    axes[-1].set_xlabel("step")
    return figure


def plot_memory(model: nn.Module, x: Tensor, *, row: int = 0, size: float = 0.1, **options: Any) -> Figure:
    """Plot what a small change of the input at one step does to the outputs of all steps.

    Row t of the picture is the input at step t plus `size` standard deviations, column s the change of the output at
    step s, relative to the largest of all. A network of one direction changes nothing to the left of the diagonal.

    Args:
        model: a recurrent layer, or any module with some inside, that returns outputs of all steps or one output, or
            outputs and a state.
        x: its input of numbers, batch included.
        row: of the batch.
        size: of the change, in standard deviations of the inputs of this row.
        options: further arguments of the model; those with a value for each row, such as `lengths`, are not possible.

    Raises:
        ValueError: for an input that is not numbers.
    """
    if not x.is_floating_point() or x.dim() != 3:
        raise ValueError(f"x: expected numbers (T, N, I) or (N, T, I), got {x.dtype} of shape {tuple(x.shape)}")
    model = copy.deepcopy(model).double()  # so that what is small is not rounding
    time = time_dim(model, x)
    sequence = x.select(1 - time, row).double()  # (T, I)
    steps = len(sequence)
    change = size * sequence.std(0, correction=0).clamp(min=1e-6)
    changed = sequence.repeat(steps + 1, 1, 1)  # the last one is not changed
    changed[torch.arange(steps), torch.arange(steps)] += change
    with torch.no_grad():
        result = model(changed if time == 1 else changed.transpose(0, 1), **options)
    outputs = result[0] if isinstance(result, tuple) else result
    per_step = is_per_step(outputs, changed if time == 1 else changed.transpose(0, 1), model)
    outputs = outputs if time == 1 or not per_step else outputs.transpose(0, 1)  # (T+1, T, O) or (T+1, O)
    effect = (outputs[:-1] - outputs[-1]).norm(dim=-1)
    effect = (effect / effect.max().clamp(min=1e-30)).cpu().numpy()
    if not per_step:
        figure, ax = _figure(7, 2.6)
        ax.semilogy(np.maximum(effect, 1e-8))
        ax.set_xlabel("step whose input is changed")
        ax.set_ylabel("change of the output")
        return figure
    figure, ax = _figure(5.6, 4.8)
    image = ax.imshow(np.log10(np.maximum(effect, 1e-8)), cmap="viridis", vmin=-6, vmax=0, interpolation="nearest")
    ax.set_xlabel("step of the output")
    ax.set_ylabel("step whose input is changed")
    figure.colorbar(image, ax=ax, label="change, relative to the largest (power of 10)")
    return figure


def _state_panels(layer: LayerTrace, row: int, *, gates: bool) -> list[tuple[str, Any, tuple[float, float], str]]:
    """Return title, values (H, T), limits and colours of each state and gate of a layer."""
    states = {name: value[:, row].detach().cpu().numpy().T for name, value in layer.states.items()}
    order = _order_units(states["h"])
    panels = []
    for name, values in states.items():
        limit = 1.0 if name == "h" and np.abs(values).max() <= 1 else float(np.abs(values).max()) or 1.0
        own = order if len(values) == len(order) else slice(None)  # a projection has units of its own
        panels.append((f"{layer.name}: {name}", values[own], (-limit, limit), "RdBu_r"))
    for name, value in layer.gates.items() if gates else ():
        values = value[:, row].detach().cpu().numpy().T
        if values.min() >= 0 and values.max() <= 1 and len(layer.gates) > 1:
            own = order if len(values) == len(order) else slice(None)
            panels.append((f"{layer.name}: gate {name}", values[own], (0.0, 1.0), "Greys"))
    return panels


def _order_units(values: np.ndarray) -> np.ndarray:
    """Return an order of units (H, T) in which those that behave alike are neighbours: by angle in the plane of PCA."""
    centred = values - values.mean(1, keepdims=True)
    left, scales, _ = np.linalg.svd(centred, full_matrices=False)
    plane = left[:, :2] * scales[:2]
    return np.argsort(np.arctan2(plane[:, 1], plane[:, 0])) if plane.shape[1] == 2 else np.arange(len(values))


def _figure(width: float, height: float, rows: int = 1, columns: int = 1, **ratios: Any) -> tuple[Figure, Any]:
    with requires("forecast", "a picture"):
        from matplotlib import pyplot as plt

    return plt.subplots(rows, columns, figsize=(width, height), layout="constrained", **ratios)
