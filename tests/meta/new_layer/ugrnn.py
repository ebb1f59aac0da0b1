"""The update gate network, z = σ(…) and h = z h' + (1 - z) f(…)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughtime._core.cell import Cell
from throughtime._core.reference import register_step
from throughtime.nn._recurrent import AbstractRecurrent
from throughtime.nn._registry import register_layer

if TYPE_CHECKING:
    from throughtime._core.activations import Activation
    from throughtime._core.reference import Gates, HiddenHalves, States, StepResult

CELL = Cell(
    name="ugrnn",
    gates=("z", "n"),
    states=("h",),
    paper="Collins et al. 2017, Capacity and Trainability in Recurrent Neural Networks",
)


@register_step(CELL)
def step(
    x: Gates, hidden: HiddenHalves, state: States, diagonal: Gates, f: Activation, g: Activation, squash: Activation
) -> StepResult:
    (h,) = state
    (z_x, n_x), (z_h, n_h) = x, hidden(h)
    z, n = g(z_x + z_h), f(n_x + n_h)
    return (z * h + (1 - z) * n,), (z, n)


@register_layer
class UGRNN(AbstractRecurrent):
    """Unfold an update gate network over time."""

    cell = CELL
