"""A view into recurrent layers: every state and gate of every step, and the gradients that reach them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from throughtime._core import reference
from throughtime._core.activations import get_activation
from throughtime._core.state_transforms import NO_TRANSFORMS
from throughtime._core.weights import split_directions
from throughtime.nn._replace import with_own_layers
from throughtime.nn._stack import RunsLayers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jaxtyping import Float, Int
    from torch import Tensor, nn

    from throughtime._core.cell import Cell
    from throughtime._core.reference import States
    from throughtime._core.weights import Weights
    from throughtime.nn._stack import LayerCall


@dataclass(frozen=True)
class LayerTrace:
    """What happened in one layer and direction, in the order of time.

    Attributes:
        name: of the layer in its model, such as 'layer.0' or 'layer.0 reverse'.
        states: by name.
        gates: by name.
        h_0: the state h before the first step in time of the direction.
        probes: see `reference.Probes`; None where no gradients are needed.
        cell: the description of the cell.
        step: the steps themselves, to compute how a state depends on the one before.
        lengths: valid steps of each row; None where all have T.
    """

    name: str
    states: dict[str, Float[Tensor, "T N _"]]
    gates: dict[str, Float[Tensor, "T N H"]]
    h_0: Float[Tensor, "N P"]
    probes: reference.Probes | None
    cell: Cell
    step: StepFunction
    lengths: Int[Tensor, "N"] | None = None


class StepFunction(NamedTuple):
    """A step of a layer, from an input (N, I) and the states before it to the states after it.

    Attributes:
        advance: maps input and states to states.
        x: the inputs of all steps, (T, N, I).
        state_0: the states before the first step in time of the direction, (N, H) each.
    """

    advance: Callable[[Tensor, States], States]
    x: Float[Tensor, "T N I"]
    state_0: tuple[Float[Tensor, "N _"], ...]


def trace(model: nn.Module, x: Tensor, **options: Any) -> list[LayerTrace]:
    """Run a model and return every state and every gate of its recurrent layers, by name.

    Args:
        model: a recurrent layer, or any module with some inside. Layers of torch.nn are swapped in a copy.
        x: its input.
        options: further arguments of the model, such as `lengths`.

    >>> import torch
    >>> from throughtime import nn
    >>> traces = nn.trace(nn.LSTM(2, 8), torch.zeros(5, 1, 2))
    >>> sorted(traces[0].gates), traces[0].states["c"].shape
    (['f', 'g', 'i', 'o'], torch.Size([5, 1, 8]))
    """
    own = with_own_layers(model)
    with torch.no_grad(), record_layers(own) as traces:
        own(x, **options)
    return traces


@contextmanager
def record_layers(model: nn.Module, *, probes: bool = False) -> Iterator[list[LayerTrace]]:
    """Let the recurrent layers of a model run on the reference path, and record what happens, while this is open.

    Args:
        model: a recurrent layer, or any module with some inside.
        probes: whether to record what gradients by step need.
    """
    traces: list[LayerTrace] = []
    layers = {name: module for name, module in model.named_modules() if isinstance(module, RunsLayers)}
    for name, layer in layers.items():
        layer.runner = _Recorder(name or "layer", traces, probes=probes)
    try:
        yield traces
    finally:
        for layer in layers.values():
            del layer.runner  # the default of the class remains


class _Recorder:
    """A runner that takes the reference path and keeps a trace of each direction."""

    def __init__(self, name: str, traces: list[LayerTrace], *, probes: bool) -> None:
        self._name = name
        self._traces = traces
        self._with_probes = probes

    def __call__(self, call: LayerCall) -> tuple[States, States]:
        if call.lengths is not None and call.lengths.is_packed:
            raise ValueError("trace: expected a padded input with lengths=, got a PackedSequence, mask= or reset=")
        weights = split_directions(call.weights)
        probes = [_probes(call.x, w) for w in weights] if self._with_probes else ()
        runs = reference.scan_directions(
            *(call.cell, call.x, call.state, call.weights), config=call.config, lengths=call.lengths, probes=probes
        )
        for direction, trace in enumerate(runs):
            name = f"{self._name}.{call.number}{' reverse' if direction else ''}"
            step = _step(call, weights[direction], direction, trace)
            self._traces.append(
                LayerTrace(
                    name,
                    dict(zip(call.cell.states, trace.states, strict=True)),
                    dict(zip(call.cell.gates, trace.gates, strict=True)),
                    trace.initial[0],
                    probes[direction] if probes else None,
                    call.cell,
                    step,
                    None if call.lengths is None else call.lengths.lengths.to(call.x.device),
                )
            )
        return reference.join_directions(runs, call.lengths)


def _probes(x: Float[Tensor, "T N I"], weights: Weights) -> reference.Probes:
    rows, units = weights.weight_hh.shape
    return reference.Probes(*(x.new_zeros(*x.shape[:2], width, requires_grad=True) for width in (units, rows)))


def _step(call: LayerCall, weights: Weights, direction: int, trace: reference.Trace) -> StepFunction:
    activations = get_activation(call.config.activation), get_activation(call.config.gate_activation)
    transforms = call.config.transforms[direction].deterministic() if call.config.transforms else NO_TRANSFORMS

    def advance(x: Tensor, state: States) -> States:
        run = reference.run_direction(
            *(call.cell, x.unsqueeze(0), state, weights), activations=activations, transforms=transforms
        )
        return run.final

    return StepFunction(advance, call.x.detach(), trace.initial)
