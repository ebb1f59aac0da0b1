"""The readable path: the step of every cell in plain torch, and the loop over time around it.

It is the documentation, the oracle of the tests, and the path for what the kernels do not cover: user-defined
activations, second derivatives, forward-mode differentiation, vmap, other devices and element types. It differentiates
by autograd, and so keeps every intermediate value of every step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn.functional import linear

from throughtime._core.activations import get_activation
from throughtime._core.compiled_cell import check_compiled
from throughtime._core.state_transforms import NO_TRANSFORMS, gate_preactivations
from throughtime._core.weights import split_directions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from jaxtyping import Bool, Float

    from throughtime._core.activations import Activation
    from throughtime._core.cell import Cell
    from throughtime._core.lengths import BatchLengths
    from throughtime._core.scan_config import ScanConfig
    from throughtime._core.state_transforms import StateTransforms
    from throughtime._core.weights import Weights

States = tuple[Tensor, ...]
Gates = tuple[Tensor, ...]  # a value for each gate, in the cell's order: (N, H) each
HiddenHalves = Callable[[Tensor], Gates]  # from h, (N, R), the hidden halves of the gates' pre-activations
StepResult = tuple[States, Gates]


class Step(Protocol):
    """One step of a cell.

    Takes, for each gate in the cell's order, the input half of its pre-activation, (N, H) each; `hidden`, which maps a
    state h to the hidden halves of all gates; the states; the pointwise weights; the activation `f`, that of the gates,
    `g`, and `squash`, which maps an inner state to h: `f`, after normalization where there is some. Returns the new
    states, and the gates in the cell's order.
    """

    def __call__(
        self,
        x: Gates,
        hidden: HiddenHalves,
        state: States,
        diagonal: Gates,
        f: Activation,
        g: Activation,
        squash: Activation,
    ) -> StepResult: ...


class RegisteredCell(NamedTuple):
    """A cell and its reference step."""

    cell: Cell
    step: Step


CELLS: dict[str, RegisteredCell] = {}
"""Every cell by its name."""


def register_step(cell: Cell) -> Callable[[Step], Step]:
    """Decorate the reference step of a cell."""

    def register(step: Step) -> Step:
        check_compiled(cell)
        CELLS[cell.name] = RegisteredCell(cell, step)
        return step

    return register


class Probes(NamedTuple):
    """Zeros that are added at every step: their gradients are those of what they are added to, all from one pass."""

    h: Float[Tensor, "T N P"]
    hidden: Float[Tensor, "T N G*H"]


class Trace(NamedTuple):
    """What happened in one layer and direction, in the order of time.

    Attributes:
        initial: the states before the first step in time of the direction.
        states: of all steps.
        gates: of all steps.
        final: the states after the last valid step.
    """

    initial: tuple[Float[Tensor, "N _"], ...]
    states: tuple[Float[Tensor, "T N _"], ...]
    gates: tuple[Float[Tensor, "T N H"], ...]
    final: tuple[Float[Tensor, "N _"], ...]


def scan(
    cell: Cell,
    x: Float[Tensor, "*steps I"],
    state: tuple[Float[Tensor, "D N _"], ...],
    weights: tuple[Tensor | None, ...],
    *,
    config: ScanConfig,
    lengths: BatchLengths | None = None,
    return_all_states: bool = False,
) -> tuple[tuple[Float[Tensor, "*steps _"], ...], tuple[Float[Tensor, "D N _"], ...]]:
    """Run `_core.scan` by autograd; arguments and results are the same."""
    traces = scan_directions(cell, x, state, weights, config=config, lengths=lengths)
    states, finals = join_directions(traces, lengths)
    return states if return_all_states else states[:1], finals


def scan_directions(
    cell: Cell,
    x: Float[Tensor, "*steps I"],
    state: tuple[Float[Tensor, "D N _"], ...],
    weights: tuple[Tensor | None, ...],
    *,
    config: ScanConfig,
    lengths: BatchLengths | None = None,
    probes: Sequence[Probes] = (),
) -> list[Trace]:
    """Run each direction of a layer on its own; the second runs backwards in time."""
    if lengths is not None and lengths.is_packed:
        x = lengths.unpack(x)
    valid = None if lengths is None else lengths.valid(len(x), x.device)
    directions = split_directions(weights)
    f, g = get_activation(config.activation), get_activation(config.gate_activation)
    return [
        run_direction(
            *(cell, x, tuple(s[d] for s in state) or initial_state(cell, x, w), w),
            valid=valid,
            reverse=d == 1 or (config.reverse and len(directions) == 1),
            activations=(f, g),
            transforms=config.transforms[d] if config.transforms else NO_TRANSFORMS,
            probes=probes[d] if probes else None,
        )
        for d, w in enumerate(directions)
    ]


def join_directions(traces: Sequence[Trace], lengths: BatchLengths | None = None) -> tuple[States, States]:
    """Return all states of a layer, both directions side by side and in the form of its input, and the final states."""
    joined = [states[0] if len(states) == 1 else torch.cat(states, -1) for states in _columns(t.states for t in traces)]
    finals = tuple(torch.stack(states) for states in _columns(trace.final for trace in traces))
    if lengths is None:
        return tuple(joined), finals
    if lengths.is_packed:
        return tuple(lengths.pack(states) for states in joined), finals
    valid = lengths.valid(joined[0].shape[0], joined[0].device).unsqueeze(-1)
    return tuple(torch.where(valid, states, states.new_zeros(())) for states in joined), finals


class DirectionStep(NamedTuple):
    """One step of a layer in one direction, with its weights and all that happens to the states."""

    cell: Cell
    weights: Weights
    transforms: StateTransforms
    functions: tuple[Activation, Activation, Activation]
    diagonal: tuple[Tensor, ...]

    def input_halves(self, x: Float[Tensor, "T N I"]) -> Float[Tensor, "T N G*H"]:
        """Return the input half of the pre-activations of all gates, for all steps."""
        gain = None if self.transforms.norm is None else self.transforms.norm[0]
        return gate_preactivations(self.cell, x, self.weights.weight_ih, self.weights.bias_ih, gain)

    def __call__(
        self, input_half: Float[Tensor, "N G*H"], state: States, probe: Float[Tensor, "N G*H"] | None = None
    ) -> tuple[States, tuple[Tensor, ...]]:
        """Return the new states and the gates; `probe` is added to the hidden half of the pre-activations."""
        gates, weights = len(self.cell.gates), self.weights
        gain = None if self.transforms.norm is None else self.transforms.norm[1]

        def hidden(h: Tensor) -> tuple[Tensor, ...]:
            h = h if self.transforms.dropout_mask is None else h * self.transforms.dropout_mask
            halves = gate_preactivations(self.cell, h, weights.weight_hh, weights.bias_hh, gain)
            return (halves if probe is None else halves + probe).chunk(gates, -1)

        step = CELLS[self.cell.name].step
        before = self.transforms.pre_step(state)
        new, values = step(input_half.chunk(gates, -1), hidden, before, self.diagonal, *self.functions)
        if weights.weight_hr is not None:
            new = (linear(new[0], weights.weight_hr), *new[1:])
        return self.transforms.post_step(new, state), values


def make_step(
    cell: Cell, weights: Weights, activations: tuple[Activation, Activation], transforms: StateTransforms
) -> DirectionStep:
    """Return the step of a layer in one direction."""
    diagonal = () if weights.diagonal is None else tuple(weights.diagonal)
    functions = *activations, transforms.squash(activations[0])
    return DirectionStep(cell, weights, transforms, functions, diagonal)


def run_direction(
    cell: Cell,
    x: Float[Tensor, "T N I"],
    state: tuple[Float[Tensor, "N _"], ...],
    weights: Weights,
    *,
    activations: tuple[Activation, Activation],
    valid: Bool[Tensor, "T N"] | None = None,
    reverse: bool = False,
    transforms: StateTransforms = NO_TRANSFORMS,
    probes: Probes | None = None,
) -> Trace:
    """Unfold one layer in one direction. The state is held where a step is not valid."""
    if valid is not None:  # nothing after the end of a sequence reaches a gradient, not even NaN
        x = x.masked_fill(~valid.unsqueeze(-1), 0.0)
    step = make_step(cell, weights, activations, transforms)
    input_halves = step.input_halves(x)
    initial, states, gate_values = state, [], []
    for t in reversed(range(len(x))) if reverse else range(len(x)):
        new, values = step(input_halves[t], state, None if probes is None else probes.hidden[t])
        if probes is not None:
            new = (new[0] + probes.h[t], *new[1:])
        if valid is not None:
            new = tuple(torch.where(valid[t].unsqueeze(-1), n, s) for n, s in zip(new, state, strict=True))
        state = new
        states.append(state)
        gate_values.append(values)
    if not states:
        return Trace(initial, tuple(x.new_empty(0, *s.shape) for s in state), (), state)
    if reverse:
        states.reverse()
        gate_values.reverse()
    return Trace(
        initial, tuple(map(torch.stack, _columns(states))), tuple(map(torch.stack, _columns(gate_values))), state
    )


def _columns(rows: Iterable[tuple[Tensor, ...]]) -> Iterator[tuple[Tensor, ...]]:
    return zip(*rows, strict=True)


def initial_state(cell: Cell, x: Float[Tensor, "T N I"], weights: Weights) -> States:
    """Return the initial state of a direction where none was given."""
    return tuple(x.new_zeros(x.shape[1], units) for units in weights.state_sizes(cell))
