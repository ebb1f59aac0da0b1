"""What a call says about time: steps that are not there, states that begin anew, and which states it wants to see.

A layer without any of it never comes here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from throughtime._core.segments import Segments
from throughtime._core.shapes import BatchLengths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from throughtime.nn._recurrent import AbstractRecurrent

    States = tuple[Tensor, ...]

_CPU = torch.device("cpu")


class SequenceOptions(NamedTuple):
    """The arguments of `forward` about time."""

    mask: Tensor | None
    reset: Tensor | None
    return_all_states: bool


def run_masked(
    layer: AbstractRecurrent,
    x: Tensor,
    state: States,
    lengths: Tensor | Sequence[int] | None,
    wanted: SequenceOptions,
    *,
    batched: bool,
) -> tuple[Any, ...]:
    """Run a stack of layers on (T, N, I), and give back what `forward` gives, in the form of its input."""
    steps, batch, _ = x.shape
    mask, reset = (flags if flags is None else torch.as_tensor(flags) for flags in wanted[:2])
    return_all_states = wanted.return_all_states
    ragged = None if lengths is None else BatchLengths.padded(lengths, steps, batch)
    if reset is not None and batched and reset.dim() == 1:
        rows = _checked("reset", reset, (batch,)).to(x.device).unsqueeze(-1)
        state, reset = tuple(s.masked_fill(rows, 0) for s in state), None
    all_states: list[States] | None = [] if return_all_states else None
    if mask is None and reset is None:
        y, finals = layer._run(x, state, ragged, all_states)  # noqa: SLF001  the seam that `trace` replaces
    else:
        valid = torch.ones(steps, batch, dtype=torch.bool) if ragged is None else ragged.valid(steps, _CPU)
        form = (steps, batch), batched, batched and layer.batch_first
        if mask is not None:
            valid = valid & _by_steps("mask", mask, *form)
        segments = Segments.of(valid, None if reset is None else _by_steps("reset", reset, *form))
        given = tuple(segments.initial(s, layer.directions) for s in state)
        y, finals = layer._run(segments.pack(x), given, segments.ragged, all_states)  # noqa: SLF001
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
    """A single state by itself, as torch.nn gives it."""
    return states[0] if len(states) == 1 else states


def _all_states(layer: AbstractRecurrent, all_states: list[States], *, batched: bool) -> States:
    """The states (T, N, D*H) of each layer as (L*D, T, N, H), in the form of the input."""
    layers = [[s.unflatten(-1, (layer.directions, -1)).movedim(-2, 0) for s in states] for states in all_states]
    joined = (torch.cat(states) for states in zip(*layers, strict=True))
    if not batched:
        return tuple(s.squeeze(2) for s in joined)
    return tuple(s.transpose(1, 2) if layer.batch_first else s for s in joined)


def _by_steps(name: str, flags: Tensor, shape: tuple[int, int], batched: bool, batch_first: bool) -> Tensor:
    """A boolean for each step, in the form of the input, as (T, N) on the CPU."""
    if not batched:
        return _checked(name, flags, shape[:1]).cpu().unsqueeze(1)
    if batch_first:
        return _checked(name, flags, shape[::-1]).cpu().T
    return _checked(name, flags, shape).cpu()


def _checked(name: str, flags: Tensor, shape: tuple[int, ...]) -> Tensor:
    if flags.dtype is not torch.bool or flags.shape != shape:
        raise ValueError(f"{name}: expected booleans of shape {shape}, got {flags.dtype} of {tuple(flags.shape)}")
    return flags
