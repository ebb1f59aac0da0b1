"""Recurrent layers while torch exports them: the loop over time is one operator, whatever the number of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch._higher_order_ops.scan import scan as scan_operator

from throughtime._core.activations import get_activation
from throughtime._core.kernel_selection import find_kernel
from throughtime._core.reference import Trace, initial_state, join_directions, make_step
from throughtime._core.state_transforms import NO_TRANSFORMS, StateTransforms
from throughtime._core.weights import Weights, split_directions
from throughtime.nn._stack import scan_layer

if TYPE_CHECKING:
    from torch import Tensor

    from throughtime._core.reference import States
    from throughtime.nn._stack import LayerCall


def run_layer(call: LayerCall) -> tuple[States, States]:
    """Run a layer as one operator: that of its kernel, or a loop where none covers it."""
    kernel, _ = find_kernel(call.cell, call.x.dtype, call.weights, call.config)
    only_h = len(call.cell.states) == 1 or not call.return_all_states
    if kernel is not None and only_h:
        return scan_layer(call)
    valid = None if call.lengths is None else call.lengths.valid(call.x.shape[0], call.x.device)
    directions = split_directions(call.weights)
    traces = []
    for d, weights in enumerate(directions):
        state = tuple(s[d] for s in call.state) or initial_state(call.cell, call.x, weights)
        transforms = call.config.transforms[d] if call.config.transforms else NO_TRANSFORMS
        reverse = d == 1 or (call.config.reverse and len(directions) == 1)
        traces.append(_run_direction(call, weights, state, valid, transforms, reverse=reverse))
    states, finals = join_directions(traces, call.lengths)
    return states if call.return_all_states else states[:1], finals


def _run_direction(
    call: LayerCall,
    weights: Weights,
    state: States,
    valid: Tensor | None,
    transforms: StateTransforms,
    *,
    reverse: bool,
) -> Trace:
    f, g = get_activation(call.config.activation), get_activation(call.config.gate_activation)
    step = make_step(call.cell, weights, (f, g), transforms)
    step = step._replace(diagonal=tuple(row.clone() for row in step.diagonal))  # what a loop reads shares no memory
    x = call.x if valid is None else call.x.masked_fill(~valid.unsqueeze(-1), 0.0)
    sequences = (step.input_halves(x), *(() if valid is None else (valid,)))
    if reverse:
        sequences = tuple(sequence.flip(0) for sequence in sequences)

    def advance(states: States, values: tuple[Tensor, ...]) -> tuple[States, tuple[Tensor, ...]]:
        new, _ = step(values[0], states)
        if len(values) == 2:
            new = tuple(torch.where(values[1].unsqueeze(-1), n, s) for n, s in zip(new, states, strict=True))
        return new, tuple(s.clone() for s in new)

    final, states = scan_operator(advance, state, sequences)
    if reverse:
        states = tuple(s.flip(0) for s in states)
    return Trace(state, tuple(states), (), tuple(final))
