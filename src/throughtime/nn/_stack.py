"""The driver of a stack of layers: one loop, for whatever runs the single layers.

A runner runs one layer, in both directions. `scan_layer` is the one that takes the kernels; `trace` passes another,
which records what happens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import torch

from throughtime._core._scan import scan
from throughtime._core.reference import States
from throughtime._core.rng import dropout
from throughtime.nn._memory import check_stack_memory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float
    from torch import Tensor

    from throughtime._core.cell import Cell
    from throughtime._core.lengths import BatchLengths
    from throughtime._core.scan_config import ScanConfig
    from throughtime._core.weights import WeightSpec
    from throughtime.nn._recurrent import AbstractRecurrent


class LayerCall(NamedTuple):
    """A call of one layer of a stack; see `_core.scan` for the fields.

    Attributes:
        number: of the layer, 0 … L-1.
    """

    number: int
    cell: Cell
    x: Tensor
    state: States
    weights: tuple[Tensor | None, ...]
    config: ScanConfig
    lengths: BatchLengths | None
    spec: WeightSpec
    return_all_states: bool


Runner = Callable[[LayerCall], tuple[States, States]]
"""Returns the states of all steps, h alone or every one, and the final states."""


@runtime_checkable
class RunsLayers(Protocol):
    """A module that runs its layers by a runner; None for the kernels, or the reference path where none covers them."""

    runner: Runner | None


def scan_layer(call: LayerCall) -> tuple[States, States]:
    """Run a layer by the kernels, or by the reference path where no kernel covers it."""
    return scan(
        *(call.cell, call.x, call.state, call.weights),
        config=call.config,
        lengths=call.lengths,
        spec=call.spec,
        return_all_states=call.return_all_states,
    )


def run_stack(
    layer: AbstractRecurrent,
    x: Float[Tensor, "*steps I"],
    state: tuple[Float[Tensor, "L*D N _"], ...],
    lengths: BatchLengths | None = None,
    *,
    all_states: list[States] | None = None,
) -> tuple[Float[Tensor, "*steps D*H"], tuple[Float[Tensor, "L*D N _"], ...]]:
    """Run the layers of a stack, each on the outputs of the one below.

    Args:
        layer: the stack.
        x: inputs, padded or packed as `lengths` say.
        state: the initial states; empty for zeros.
        lengths: of the sequences; None where all have T steps.
        all_states: is filled with the states of all steps, a tuple for each layer.
    """
    if torch._C._is_any_autocast_enabled():
        x, state = autocast(x, state, enabled=layer.autocasts)
    run = scan_layer if layer.runner is None else layer.runner
    batch = x.shape[1] if lengths is None else lengths.lengths.shape[0]
    finals = []
    for number in range(layer.num_layers):
        weights = layer.flat_weights(number)
        if weights[0].dtype is not x.dtype:  # autocast
            weights = cast_like(x, weights)
        rows = slice(number * layer.directions, (number + 1) * layer.directions)
        initial = tuple([s[rows] for s in state]) if layer.num_layers > 1 else state
        config = layer.layer_config(number, x, batch)
        if number == 0 < layer.num_layers - 1:
            check_stack_memory(layer, x, weights, config)
        call = LayerCall(
            number, layer.cell, x, initial, weights, config, lengths, layer.weight_specs[number], all_states is not None
        )
        states, final = run(call)
        if all_states is not None:
            all_states.append(states)
        x = states[0]
        finals.append(final)
        if layer.dropout and number < layer.num_layers - 1:
            x = dropout(x, layer.dropout, layer.training)
    return x, finals[0] if len(finals) == 1 else tuple(torch.cat(states) for states in zip(*finals, strict=True))


def autocast(x: Tensor, state: States, *, enabled: bool) -> tuple[Tensor, States]:
    """Cast as torch.autocast casts the inputs of an operator, since it does not know ours."""
    dtype = torch.get_autocast_dtype(x.device.type) if enabled else x.dtype
    return x.to(dtype), tuple(s.to(dtype) for s in state)


def cast_like(x: Tensor, tensors: Sequence[Tensor | None]) -> tuple[Any, ...]:
    """Cast tensors to the element type of x; None stays None."""
    return tuple([t if t is None else t.to(x.dtype) for t in tensors])
