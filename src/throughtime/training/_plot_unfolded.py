"""Matplotlib figure of a network, folded and unfolded over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughtime._core.errors import requires
from throughtime.nn._diagram import Architecture, Diagram, DiagramNode, Edge, Label, fold, unfold

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from torch import nn

_COLORS = {  # fill and edge
    "input": ("#eef1f4", "#6b7785"),
    "state": ("#dbe8fb", "#2f5fa8"),
    "initial": ("#ffffff", "#8fa6c8"),
    "output": ("#fbe6d3", "#b5651d"),
}
_LINES = {
    "weights": "#6b7785",
    "recurrent": "#2f5fa8",
    "loop": "#2f5fa8",
    "feedback": "#b5651d",
    "fed back": "#b5651d",
    "attention": "#7a3fa0",
}
_BENDS = {"loop": -1.6, "fed back": 0.75, "attention": -0.15}
_MARGIN, _LOWER = 1.0, 0.45  # around the nodes
_SCALE = 0.85  # inches of a unit
_RADIUS = 0.3  # of a state


def plot_unfolded(model: nn.Module, k: int = 4, *, decoder_steps: int | None = None) -> Figure:
    """Draw a model folded on the left, and unfolded over k steps on the right.

    What is drawn is what the model is: one or many inputs and outputs, outputs that are fed back, both directions,
    stacked layers, an encoder and its decoder. The k copies share the weights that the folded network names.

    Args:
        model: a recurrent layer, or any module with one inside.
        k: steps; of the encoder, if there is a decoder.
        decoder_steps: of the decoder; k if None.

    Raises:
        ValueError: for a model without a recurrent layer, and for less than one step.
    """
    if min(k, k if decoder_steps is None else decoder_steps) < 1:
        raise ValueError(f"k: expected at least one step, got {k if k < 1 else decoder_steps}")
    with requires("forecast", "a picture"):
        from matplotlib import pyplot as plt

    architecture = Architecture.of(model)
    diagrams = fold(architecture), unfold(architecture, k, decoder_steps)
    widths = [_width(diagram) + 2 * _MARGIN for diagram in diagrams]
    height = max(map(_height, diagrams)) + 2 * _LOWER + 0.8 * architecture.attention
    size = _SCALE * sum(widths), _SCALE * height + 0.3  # with the titles
    figure, axes = plt.subplots(1, 2, figsize=size, width_ratios=widths)
    figure.subplots_adjust(left=0, right=1, bottom=0, top=1 - 0.3 / size[1], wspace=0)
    titles = "folded", f"unfolded over {k} step{'s' if k > 1 else ''}, with the same weights in each"
    for ax, diagram, title in zip(axes, diagrams, titles, strict=True):
        _draw(ax, diagram, height)
        ax.set_title(title, fontsize="medium")
    return figure


def _width(diagram: Diagram) -> float:
    positions = [node.x for node in diagram.nodes]
    return max(positions) - min(positions) + (1.3 if any(edge.kind == "loop" for edge in diagram.edges) else 0)


def _height(diagram: Diagram) -> float:
    return max(node.y for node in diagram.nodes)


def _draw(ax: Axes, diagram: Diagram, height: float) -> None:
    left = min(node.x for node in diagram.nodes) - _MARGIN
    ax.set(xlim=(left, left + _width(diagram) + 2 * _MARGIN), ylim=(-_LOWER, height - _LOWER), aspect="equal")
    ax.axis("off")
    for edge in diagram.edges:
        _draw_edge(ax, edge, diagram.nodes)
    for node in diagram.nodes:
        _draw_node(ax, node)


def _draw_node(ax: Axes, node: DiagramNode) -> None:
    from matplotlib.patches import Circle, FancyBboxPatch

    fill, line = _COLORS[node.kind]
    style: dict[str, Any] = {"facecolor": fill, "edgecolor": line, "linewidth": 1.2, "zorder": 2}
    if node.kind in ("state", "initial"):
        ax.add_patch(Circle((node.x, node.y), _RADIUS, linestyle="--" if node.kind == "initial" else "-", **style))
    else:
        size = 2 * 0.2
        corner = (node.x - size / 2, node.y - size / 2)
        ax.add_patch(FancyBboxPatch(corner, size, size, boxstyle="round,pad=0.04,rounding_size=0.08", **style))
    ax.text(node.x, node.y, _math(node.label), ha="center", va="center", fontsize=11, zorder=3)


def _draw_edge(ax: Axes, edge: Edge, nodes: list[DiagramNode]) -> None:
    from matplotlib.patches import FancyArrowPatch

    start, end = nodes[edge.start], nodes[edge.end]
    shrink = 72 * _SCALE * (_RADIUS + 0.02)  # points
    ends, curve, shrinks = ((start.x, start.y), (end.x, end.y)), _BENDS.get(edge.kind, 0.0), (shrink, shrink)
    if edge.kind == "loop":
        ends, shrinks = ((start.x + 0.2, start.y + 0.23), (start.x + 0.2, start.y - 0.23)), (0.0, 0.0)
    ax.add_patch(
        FancyArrowPatch(
            *ends,
            connectionstyle=f"arc3,rad={curve}",
            arrowstyle="-|>",
            mutation_scale=9,
            color=_LINES[edge.kind],
            linewidth=1.1,
            linestyle="-" if edge.kind in ("weights", "recurrent", "loop") else "--",
            shrinkA=shrinks[0],
            shrinkB=shrinks[1],
            zorder=1,
        )
    )
    if edge.label is not None:
        _name_weights(ax, edge, start, end)


def _name_weights(ax: Axes, edge: Edge, start: DiagramNode, end: DiagramNode) -> None:
    assert edge.label is not None
    text = f"{_math(edge.label)}  {'×'.join(map(str, edge.sizes))}"
    share = 0.5 if end.x == start.x else 0.32  # of the way: where two arrows leave a node, loops are at their ends
    x, y = start.x + share * (end.x - start.x), start.y + share * (end.y - start.y)
    offset, side = (0.78, "left") if edge.kind == "loop" else (-0.1, "right") if end.x < start.x else (0.1, "left")
    ax.text(x + offset, y, text, ha=side, va="center", fontsize=8, color=_LINES[edge.kind])


def _math(label: Label) -> str:
    """Return a label in the notation of Matplotlib."""
    arrows = {"→": r"\rightarrow", "←": r"\leftarrow"}
    above = "".join(arrows.get(character, character) for character in label.above)
    indices = (f"_{{{label.below}}}" if label.below else "") + (f"^{{{above}}}" if above else "")
    return f"${label.symbol}{indices}$"
