"""Long short-term memory with coupled gates, f = 1 - i: `LSTM(…, coupled_gates=True)`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from throughtime._core.cell import Cell
from throughtime._core.reference import register_step

if TYPE_CHECKING:
    from throughtime._core.activations import Activation
    from throughtime._core.reference import Gates, HiddenHalves, States, StepResult

COUPLED = Cell(
    name="coupled_lstm",
    gates=("i", "g", "o"),
    states=("h", "c"),
    paper="Greff et al. 2017, LSTM: A Search Space Odyssey",
)
COUPLED_PEEPHOLE = replace(COUPLED, name="coupled_peephole_lstm", diagonals=("i", "o"))


@register_step(COUPLED_PEEPHOLE)
@register_step(COUPLED)
def step(
    x: Gates, hidden: HiddenHalves, state: States, diagonal: Gates, f: Activation, g: Activation, squash: Activation
) -> StepResult:
    h, c = state
    p_i, p_o = diagonal or (0.0, 0.0)
    i, new, o = (x_half + h_half for x_half, h_half in zip(x, hidden(h), strict=True))
    input_gate, new = g(i + p_i * c), f(new)
    c = c + input_gate * (new - c)
    output_gate = g(o + p_o * c)
    return (output_gate * squash(c), c), (input_gate, new, output_gate)
