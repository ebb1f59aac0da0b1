"""The readable path: every cell's step in plain torch, and the loop over time around it.

It is the documentation, the oracle of the tests and the path for whatever the kernels do not cover: activations of the
user's own, second derivatives, forward-mode differentiation, vmap, other devices and element types. It differentiates
by autograd, and so keeps every intermediate value of every step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from torch.nn.functional import linear

from throughtime._core.compiled_cell import check_compiled
from throughtime._core.state_transforms import NO_TRANSFORMS, gate_preactivations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jaxtyping import Float
    from torch import Tensor

    from throughtime._core.cell import Cell
    from throughtime._core.shapes import BatchLengths, Weights
    from throughtime._core.state_transforms import StateTransforms

    Activation = Callable[[Tensor], Tensor]
    States = tuple[Tensor, ...]

ACTIVATIONS: dict[str, Activation] = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}


class Step(Protocol):
    """One step of a cell.

    Takes, for each gate in the cell's order, the input half of its pre-activation, (N, H) each; `hidden`, which maps a
    state h to the hidden halves of all gates; the states; the pointwise weights; the activation `f`, that of the gates,
    `g`, and `squash`, which an inner state passes on its way to h: `f` too, but of the normalised state where there is
    layer normalisation. Returns the new states, and the gates in the cell's order.
    """

    def __call__(
        self,
        x: tuple[Tensor, ...],
        hidden: Callable[[Tensor], tuple[Tensor, ...]],
        state: States,
        diagonal: tuple[Tensor, ...],
        f: Activation,
        g: Activation,
        squash: Activation,
    ) -> tuple[States, tuple[Tensor, ...]]: ...


class RegisteredCell(NamedTuple):
    cell: Cell
    step: Step


CELLS: dict[str, RegisteredCell] = {}
"""Every cell there is, by name."""


def register_step(cell: Cell) -> Callable[[Step], Step]:
    """Decorate the reference step of a cell."""

    def register(step: Step) -> Step:
        check_compiled(cell)
        CELLS[cell.name] = RegisteredCell(cell, step)
        return step

    return register


def get_activation(activation: str | Activation) -> Activation:
    return ACTIVATIONS[activation] if isinstance(activation, str) else activation


def activation_name(activation: str | Activation) -> str:
    """What to call an activation in a message."""
    return repr(activation if isinstance(activation, str) else getattr(activation, "__name__", activation))


class Probes(NamedTuple):
    """Zeros that are added at every step: their gradients are those of what they are added to, all from one pass."""

    h: Float[Tensor, "T N H"]
    hidden: Float[Tensor, "T N G*H"]


class Trace(NamedTuple):
    """All that happened in one layer and direction: tensors (T, N, H) in the order of time."""

    states: tuple[Tensor, ...]
    gates: tuple[Tensor, ...]


def run(
    cell: Cell,
    x: Float[Tensor, "T N I"],
    state: tuple[Float[Tensor, "N H"], ...],
    weights: Weights,
    *,
    valid: Tensor | None,
    reverse: bool,
    activations: tuple[Activation, Activation],
    transforms: StateTransforms = NO_TRANSFORMS,
    probes: Probes | None = None,
) -> tuple[Trace, States]:
    """Unfold one layer in one direction and return what happened at each step, and the final state.

    `valid` (T, N) says which steps there are; where there is none the state is held.
    """
    step = CELLS[cell.name].step
    gates = len(cell.gates)
    diagonal = () if weights.diagonal is None else tuple(weights.diagonal)
    gain_ih, gain_hh = (None, None) if transforms.norm is None else transforms.norm[:2]
    if valid is not None:  # nothing that stands behind the end of a sequence reaches a gradient, not even NaN
        x = x.masked_fill(~valid.unsqueeze(-1), 0.0)
    x_preactivations = gate_preactivations(cell, x, weights.weight_ih, weights.bias_ih, gain_ih)
    functions = *activations, transforms.squash(activations[0])

    def hidden(h: Tensor) -> tuple[Tensor, ...]:
        h = h if transforms.dropout_mask is None else h * transforms.dropout_mask
        preactivations = gate_preactivations(cell, h, weights.weight_hh, weights.bias_hh, gain_hh)
        return (preactivations if probes is None else preactivations + probes.hidden[t]).chunk(gates, -1)

    states, gate_values = [], []
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        new, values = step(
            x_preactivations[t].chunk(gates, -1), hidden, transforms.pre_step(state), diagonal, *functions
        )
        if weights.weight_hr is not None:
            new = (linear(new[0], weights.weight_hr), *new[1:])
        new = transforms.post_step(new, state)
        if probes is not None:
            new = (new[0] + probes.h[t], *new[1:])
        if valid is not None:
            new = tuple(torch.where(valid[t].unsqueeze(-1), n, s) for n, s in zip(new, state, strict=True))
        state = new
        states.append(state)
        gate_values.append(values)
    if not states:
        return Trace(tuple(x.new_empty(0, *s.shape) for s in state), ()), state
    if reverse:
        states.reverse()
        gate_values.reverse()
    return Trace(_stack(states), _stack(gate_values)), state


def _stack(steps: Sequence[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(torch.stack(values) for values in zip(*steps, strict=True))


def scan(
    cell: Cell,
    x: Tensor,
    state: States,
    weights: Sequence[Weights],
    *,
    ragged: BatchLengths | None,
    reverse: bool,
    activations: tuple[Activation, Activation],
    transforms: Sequence[StateTransforms] = (),
    return_all_states: bool = False,
) -> tuple[States, States]:
    """`throughtime.scan`, by autograd. Shapes are those of `throughtime.scan`; the state is given.

    Returns:
        The state h of all steps, all states where `return_all_states` one is wanted, (T, N, D*H) each; and the final states.
    """
    padded = ragged.unpack(x) if ragged is not None and ragged.is_packed else x
    valid = None if ragged is None else ragged.valid(len(padded), x.device)
    found, finals = [], []
    for d, w in enumerate(weights):
        trace, final = run(
            *(cell, padded, tuple(s[d] for s in state), w),
            valid=valid,
            reverse=d == 1 or (reverse and len(weights) == 1),
            activations=activations,
            transforms=transforms[d] if transforms else NO_TRANSFORMS,
        )
        found.append(trace.states if return_all_states else trace.states[:1])
        finals.append(final)
    outputs = tuple(states[0] if len(states) == 1 else torch.cat(states, -1) for states in zip(*found, strict=True))
    return tuple(_cut(ragged, valid, y) for y in outputs), _stack(finals)


def _cut(ragged: BatchLengths | None, valid: Tensor | None, y: Tensor) -> Tensor:
    """Outputs in the form of the input, zero where there is no step."""
    if ragged is None or valid is None:
        return y
    return ragged.pack(y) if ragged.is_packed else torch.where(valid.unsqueeze(-1), y, y.new_zeros(()))
