"""Long short-term memory whose gates see the cell state: `LSTM(…, peephole=True)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughtime._core.cell import Cell
from throughtime._core.reference import register_step

if TYPE_CHECKING:
    from throughtime._core.activations import Activation
    from throughtime._core.reference import Gates, HiddenHalves, States, StepResult

PEEPHOLE = Cell(
    name="peephole_lstm",
    gates=("i", "f", "g", "o"),
    states=("h", "c"),
    diagonals=("i", "f", "o"),
    onnx_gates=("i", "o", "f", "g"),
    paper="Gers and Schmidhuber 2000, Recurrent Nets that Time and Count",
)


@register_step(PEEPHOLE)
def step(
    x: Gates, hidden: HiddenHalves, state: States, diagonal: Gates, f: Activation, g: Activation, squash: Activation
) -> StepResult:
    h, c = state
    p_i, p_f, p_o = diagonal
    i, forget, new, o = (x_half + h_half for x_half, h_half in zip(x, hidden(h), strict=True))
    input_gate, forget_gate, new = g(i + p_i * c), g(forget + p_f * c), f(new)
    c = forget_gate * c + input_gate * new
    output_gate = g(o + p_o * c)  # sees the new cell state
    return (output_gate * squash(c), c), (input_gate, forget_gate, new, output_gate)
