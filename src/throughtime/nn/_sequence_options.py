"""Calls with masks, resets, or states of all steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from throughtime._core.lengths import BatchLengths
from throughtime._core.segments import Segments
from throughtime.nn._stack import run_stack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Bool, Float
    from torch import Tensor

    from throughtime._core.reference import States
    from throughtime.nn._recurrent import AbstractRecurrent

_CPU = torch.device("cpu")


class SequenceOptions(NamedTuple):
    """The arguments of `forward` that few calls have."""

    mask: Tensor | None
    reset: Tensor | None
    return_all_states: bool


def run_masked(
    layer: AbstractRecurrent,
    x: Float[Tensor, "T N I"],
    state: tuple[Float[Tensor, "L*D N _"], ...],
    lengths: Tensor | Sequence[int] | None,
    options: SequenceOptions,
    *,
    batched: bool,
) -> tuple[Any, ...]:
    """Run a stack of layers and return what `forward` does, in the form of its input."""
    steps, batch, _ = x.shape
    mask, reset = (flags if flags is None else torch.as_tensor(flags) for flags in options[:2])
    batch_lengths = None if lengths is None else BatchLengths.padded(lengths, steps, batch)
    if reset is not None and batched and reset.dim() == 1:
        rows = _checked("reset", reset, (batch,)).to(x.device).unsqueeze(-1)
        state, reset = tuple(s.masked_fill(rows, 0) for s in state), None
    all_states: list[States] | None = [] if options.return_all_states else None
    if mask is None and reset is None:
        y, finals = run_stack(layer, x, state, batch_lengths, all_states=all_states)
    else:
        if batch_lengths is None:
            valid = torch.ones(steps, batch, dtype=torch.bool)
        else:
            valid = batch_lengths.valid(steps, _CPU)
        form = (steps, batch), batched, batched and layer.batch_first
        if mask is not None:
            valid = valid & _by_steps("mask", mask, *form)
        segments = Segments.of(valid, None if reset is None else _by_steps("reset", reset, *form))
        initial = tuple(segments.initial(s, layer.directions) for s in state)
        y, finals = run_stack(layer, segments.pack(x), initial, segments.lengths, all_states=all_states)
        y, finals = segments.unpack(y), tuple(segments.finals(s, layer.directions) for s in finals)
        all_states = all_states and [tuple(map(segments.unpack, states)) for states in all_states]
    if not batched:
        y, finals = y.squeeze(1), tuple(s.squeeze(1) for s in finals)
    elif layer.batch_first:
        y = y.transpose(0, 1)
    if all_states is None:
        return y, unwrap_single(finals)
    return y, unwrap_single(finals), unwrap_single(_all_states(layer, all_states, batched=batched))


def unwrap_single(states: States) -> Tensor | States:
    """Return a single state by itself, as torch.nn does."""
    return states[0] if len(states) == 1 else states


def _all_states(layer: AbstractRecurrent, all_states: list[States], *, batched: bool) -> States:
    """Return the states (T, N, D*H) of each layer as (L*D, T, N, H), in the form of the input."""
    layers = [[s.unflatten(-1, (layer.directions, -1)).movedim(-2, 0) for s in states] for states in all_states]
    joined = (torch.cat(states) for states in zip(*layers, strict=True))
    if not batched:
        return tuple(s.squeeze(2) for s in joined)
    return tuple(s.transpose(1, 2) if layer.batch_first else s for s in joined)


def _by_steps(
    name: str, flags: Tensor, shape: tuple[int, int], batched: bool, batch_first: bool
) -> Bool[Tensor, "T N"]:
    """Return a boolean for each step, in the form of the input, as (T, N) on the CPU."""
    if not batched:
        return _checked(name, flags, shape[:1]).cpu().unsqueeze(1)
    if batch_first:
        return _checked(name, flags, shape[::-1]).cpu().T
    return _checked(name, flags, shape).cpu()


def _checked(name: str, flags: Tensor, shape: tuple[int, ...]) -> Tensor:
    if flags.dtype is not torch.bool or flags.shape != shape:
        raise ValueError(f"{name}: expected booleans of shape {shape}, got {flags.dtype} of {tuple(flags.shape)}")
    return flags
