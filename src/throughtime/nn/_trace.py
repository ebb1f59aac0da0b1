"""Sight into recurrent layers: every state and gate of every step, and the gradients that reach them."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from throughtime._core import reference
from throughtime._core.rng import dropout
from throughtime._core.state_transforms import NO_TRANSFORMS
from throughtime.nn._recurrent import AbstractRecurrent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from jaxtyping import Float, Int
    from torch import Tensor, nn

    from throughtime._core.cell import Cell
    from throughtime._core.shapes import BatchLengths
    from throughtime._core.state_transforms import StateTransforms


@dataclass(frozen=True)
class LayerTrace:
    """What happened in one layer and direction, in the order of time.

    Attributes:
        name: of the layer in its model, such as 'layer.0' or 'layer.0 reverse'.
        states: by name, (T, N, H) each.
        gates: by name, likewise.
        h_0: the state before the first step in time of the direction, (N, H).
        probes: see `reference.Probes`, where gradients are wanted.
        cell: its description.
        step: the steps themselves, for those who want to know how one state depends on the one before.
        lengths: valid steps of each row; None where all have T.
    """

    name: str
    states: dict[str, Float[Tensor, "T N H"]]
    gates: dict[str, Float[Tensor, "T N H"]]
    h_0: Float[Tensor, "N H"]
    probes: reference.Probes | None
    cell: Cell
    step: Step
    lengths: Int[Tensor, "N"] | None = None


class Step(NamedTuple):
    """What a step of a layer computes: from an input (N, I) and the states before it the states after it.

    Attributes:
        advance: maps input and states to states.
        x: the inputs of all steps, (T, N, I).
        state_0: the states before the first step in time of the direction, (N, H) each.
    """

    advance: Callable[[Tensor, tuple[Tensor, ...]], tuple[Tensor, ...]]
    x: Tensor
    state_0: tuple[Tensor, ...]


def trace(model: nn.Module, x: Tensor, **options: Any) -> list[LayerTrace]:
    """Run a model and return every state and every gate of its recurrent layers, by name.

    Args:
        model: a recurrent layer, or any module that has some inside.
        x: its input.
        options: further arguments of the model, such as `lengths`.

    >>> import torch
    >>> from throughtime import nn
    >>> seen = nn.trace(nn.LSTM(2, 8), torch.zeros(5, 1, 2))
    >>> sorted(seen[0].gates), seen[0].states["c"].shape
    (['f', 'g', 'i', 'o'], torch.Size([5, 1, 8]))
    """
    with torch.no_grad(), record_layers(model) as seen:
        model(x, **options)
    return seen


@contextmanager
def record_layers(model: nn.Module, *, probes: bool = False) -> Iterator[list[LayerTrace]]:
    """Let the recurrent layers of a model run on the reference path and note what happens, as long as this is open.

    Args:
        model: a recurrent layer, or any module that has some inside.
        probes: whether gradients by step are wanted.
    """
    seen: list[LayerTrace] = []
    layers = {name: module for name, module in model.named_modules() if isinstance(module, AbstractRecurrent)}
    for name, layer in layers.items():
        layer._run = _Recorder(layer, name or "layer", seen, probes=probes)  # noqa: SLF001  the seam made for this
        layer._fast_path = False  # noqa: SLF001
    try:
        yield seen
    finally:
        for layer in layers.values():
            del layer._run, layer._fast_path  # noqa: SLF001  the class has its own


class _Recorder:
    """Stands in for a layer's `_run`."""

    def __init__(self, layer: AbstractRecurrent, name: str, seen: list[LayerTrace], *, probes: bool) -> None:
        self.layer = layer
        self.name = name
        self.seen = seen
        self.probes = probes

    def __call__(
        self,
        x: Tensor,
        state: Sequence[Tensor],
        ragged: BatchLengths | None,
        all_states: list[tuple[Tensor, ...]] | None = None,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        if ragged is not None and ragged.is_packed:
            raise ValueError("trace: expected a padded input with lengths=, got a PackedSequence, mask= or reset=")
        valid = None if ragged is None else ragged.valid(len(x), x.device)
        finals: list[tuple[Tensor, ...]] = []
        for number in range(self.layer.num_layers):
            found: list[tuple[Tensor, ...]] = []
            transforms = (
                self.layer.layer_config(number, x, x.shape[1]).transforms or (NO_TRANSFORMS,) * self.layer.directions
            )
            for direction, weights in enumerate(self.layer.weights(number)):
                row = number * self.layer.directions + direction
                given = tuple(s[row] for s in state) or self._zeros(x)
                states, final = self._direction(
                    x, given, weights, valid, number, transforms[direction], reverse=direction == 1
                )
                found.append(states)
                finals.append(final)
            joined = tuple(torch.cat(states, -1) for states in zip(*found, strict=True))
            if valid is not None:
                joined = tuple(torch.where(valid.unsqueeze(-1), s, s.new_zeros(())) for s in joined)
            x = joined[0]
            if all_states is not None:
                all_states.append(joined)
            if self.layer.dropout and number < self.layer.num_layers - 1:
                x = dropout(x, self.layer.dropout, self.layer.training)
        return x, tuple(torch.stack(states) for states in zip(*finals, strict=True))

    def _zeros(self, x: Tensor) -> tuple[Tensor, ...]:
        sizes = self.layer.cell.state_sizes(self.layer.hidden_size, self.layer.proj_size)
        return tuple(x.new_zeros(x.shape[1], units) for units in sizes)

    def _direction(
        self,
        x: Tensor,
        state: tuple[Tensor, ...],
        weights: Any,
        valid: Tensor | None,
        number: int,
        transforms: StateTransforms,
        *,
        reverse: bool,
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        layer, cell = self.layer, self.layer.cell
        probes = None
        if self.probes:
            rows = len(cell.gates) * layer.hidden_size
            probes = reference.Probes(
                *(x.new_zeros(*x.shape[:2], units, requires_grad=True) for units in (state[0].shape[-1], rows))
            )
        f, g = map(reference.get_activation, (layer.activation, layer.gate_activation))
        found, final = reference.run(
            *(cell, x, state, weights),
            valid=valid,
            reverse=reverse,
            activations=(f, g),
            transforms=transforms,
            probes=probes,
        )

        def advance(given: Tensor, before: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            _, after = reference.run(
                *(cell, given.unsqueeze(0), before, weights),
                valid=None,
                reverse=False,
                activations=(f, g),
                transforms=transforms.deterministic(),
            )
            return after

        self.seen.append(
            LayerTrace(
                f"{self.name}.{number}{' reverse' if reverse else ''}",
                dict(zip(cell.states, found.states, strict=True)),
                dict(zip(cell.gates, found.gates, strict=True)),
                state[0],
                probes,
                cell,
                Step(advance, x.detach(), state),
                None if valid is None else valid.sum(0),
            )
        )
        return found.states, final
