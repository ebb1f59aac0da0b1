"""A diagram of the network: folded, with its loop, and unfolded over its steps, with its sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from throughtime.app.report.svg import tag

if TYPE_CHECKING:
    from markupsafe import Markup

    from throughtime.tasks.forecasting import Forecaster

_BELOW, _MIDDLE, _ABOVE = 202.0, 122.0, 42.0  # heights of inputs, states and outputs
_HEIGHT = 240
_RADIUS = 26.0
_DIGITS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True)
class DiagramSizes:
    """Sizes of a forecasting network.

    Attributes:
        cell: 'RNN', 'GRU' or 'LSTM'.
        inputs: I, features of a recurrent step.
        hidden: H, size of the state.
        steps: T, recurrent steps.
        block: values of the series that a recurrent step reads.
        horizon: F, values that are forecast.
        parameters: of the whole network.
    """

    cell: str
    inputs: int
    hidden: int
    steps: int
    block: int
    horizon: int
    parameters: int

    @classmethod
    def of(cls, forecaster: Forecaster) -> DiagramSizes:
        """Return the sizes of a fitted forecaster."""
        network, plan = forecaster.network_, forecaster.model_.plan
        return cls(
            cell=forecaster.cell.upper(),
            inputs=network.layer.input_size,
            hidden=network.layer.hidden_size,
            steps=len(network.origins),
            block=plan.block,
            horizon=plan.horizon,
            parameters=sum(p.numel() for p in network.parameters()),
        )


def draw_network(sizes: DiagramSizes, width: int) -> Markup:
    """Draw the network folded and unfolded, side by side."""
    unfolded = _visible_steps(sizes.steps, 4 if width > 500 else 2)
    left = 200.0 if width > 500 else 142.0
    gap = (width - left - 22 - 36) / max(len(unfolded) - 1, 1)
    marks = [*_draw_folded(sizes, left / 2 - 16 if width > 500 else 40.0), _text("=", left - 26, _MIDDLE + 7, "equals")]
    for number, step in enumerate(unfolded):
        x = left + 22 + number * gap
        marks += _draw_step(sizes, step, x)
        if number:
            marks += _draw_transition(x - gap, x, skipped=step - unfolded[number - 1] > 1)
    title = f"{sizes.cell} network, folded and unfolded over {sizes.steps} steps"
    return tag("svg", tag("title", title), *marks, viewBox=f"0 0 {width} {_HEIGHT}", role="img", aria_label=title)


def _visible_steps(steps: int, most: int) -> list[int]:
    """Return the first steps and the last one, counted from 1."""
    return list(range(1, steps + 1)) if steps <= most else [*range(1, most), steps]


def _draw_folded(sizes: DiagramSizes, x: float) -> list[Markup]:
    near, far = x + _RADIUS * 0.8, x + _RADIUS * 2.6
    loop = f"M{near} {_MIDDLE - 16}C{far} {_MIDDLE - 48} {far} {_MIDDLE + 48} {near + 4} {_MIDDLE + 18}"
    return [
        *_node(x, _BELOW, f"x: {sizes.inputs}", "input"),
        *_node(x, _MIDDLE, f"h: {sizes.hidden}", "state"),
        *_node(x, _ABOVE, f"y: {sizes.horizon}", "output"),
        _arrow(x, _BELOW - 18, x, _MIDDLE + _RADIUS + 4),
        _arrow(x, _MIDDLE - _RADIUS, x, _ABOVE + 22),
        tag("path", class_="edge arrow", d=loop),
    ]


def _draw_step(sizes: DiagramSizes, step: int, x: float) -> list[Markup]:
    index = str(step).translate(_DIGITS)
    marks = [
        *_node(x, _BELOW, f"x{index}", "input"),
        *_node(x, _MIDDLE, f"h{index}", "state"),
        _arrow(x, _BELOW - 18, x, _MIDDLE + _RADIUS + 4),
    ]
    if step == sizes.steps:
        marks += [*_node(x, _ABOVE, f"y₁…{str(sizes.horizon).translate(_DIGITS)}", "output"),
                  _arrow(x, _MIDDLE - _RADIUS, x, _ABOVE + 22)]  # fmt: skip
    return marks


def _draw_transition(start: float, stop: float, *, skipped: bool) -> list[Markup]:
    """Draw the state on its way to the next visible step."""
    a, b = start + _RADIUS, stop - _RADIUS - 4
    if not skipped:
        return [_arrow(a, _MIDDLE, b, _MIDDLE)]
    middle = (a + b) / 2
    ends = [
        tag("line", class_="edge", x1=a, x2=middle - 14, y1=_MIDDLE, y2=_MIDDLE),
        _arrow(middle + 14, _MIDDLE, b, _MIDDLE),
    ]
    return [*ends, _text("…", middle, _MIDDLE + 3, "label"), _text("…", middle, _BELOW + 3, "label")]


def _node(x: float, y: float, label: str, kind: str) -> list[Markup]:
    if kind == "state":
        shape = tag("circle", class_="node state", cx=x, cy=y, r=_RADIUS)
    else:
        shape = tag("rect", class_=f"node {kind}", x=x - 32, y=y - 18, width=64, height=36, rx=8)
    return [shape, _text(label, x, y + 5, "label")]


def _arrow(x1: float, y1: float, x2: float, y2: float) -> Markup:
    return tag("line", class_="edge arrow", x1=x1, y1=y1, x2=x2, y2=y2)


def _text(text: str, x: float, y: float, kind: str) -> Markup:
    return tag("text", text, class_=kind, x=x, y=y, text_anchor="middle")
