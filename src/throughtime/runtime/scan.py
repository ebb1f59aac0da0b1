"""The scan of a recurrent layer without torch: by the compiled kernels, or by a loop around the graph of a step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime import _kernels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from throughtime._kernels._engine import Kernel
    from throughtime.runtime.graph import BoundGraph

FIELDS = 6
"""Weights of a direction: weight_ih, weight_hh, bias_ih, bias_hh, diagonal, weight_hr."""


def scan(
    cells: Mapping[str, BoundGraph],
    x: np.ndarray,
    state: Sequence[np.ndarray],
    weights: Sequence[np.ndarray],
    tables: Sequence[np.ndarray],
    kernel: str,
    weight_present: Sequence[bool],
    table_present: Sequence[bool],
    reverse: bool,
    directions: int,
    *_: Any,
) -> list[np.ndarray]:
    """Return the outputs of all steps and the final states, as the operator `throughtime::scan` does.

    Args:
        cells: the graph of a step, by the name of the kernel and H.
        x: (T, N, I), or (rows, I) of packed sequences.
        state: initial states (D, N, H); empty for zeros.
        weights: those of the `FIELDS` of each direction that are present.
        tables: those of lengths, order and offsets that are present; lengths are those of the rows.
        kernel: names the cell, its activation and the bits of its numbers.
        weight_present: which weights are present.
        table_present: which tables are present.
        reverse: whether a single direction runs backwards.
        directions: D.
        _: how gradients are clipped.
    """
    fields = _restore_none(weights, weight_present)
    lengths, order, offsets = _restore_none(tables, table_present)
    padded = x if offsets is None else _unpack(x, lengths, offsets)
    cell, activation, bits = kernel.split()
    compiled = _kernels.find(cell, activation, int(bits))
    if compiled is not None and offsets is None and x.size:
        lengths = () if lengths is None else (lengths, order)
        return _run_kernel(compiled, x, state, fields, lengths, reverse=reverse)
    valid = None if lengths is None else np.arange(len(padded))[:, None] < lengths
    outputs, finals = [], []
    for d in range(directions):
        own = fields[d * FIELDS : (d + 1) * FIELDS]
        y, final = _scan_direction(
            cells[f"{kernel} {own[1].shape[1]}"], padded, [s[d] for s in state], own, valid, d == 1 or reverse
        )
        outputs.append(y)
        finals.append(final)
    y = np.concatenate(outputs, -1)
    if offsets is not None:
        y = y[valid]
    return [y, *(np.stack(states) for states in zip(*finals, strict=True))]


def _run_kernel(
    kernel: Kernel,
    x: np.ndarray,
    state: Sequence[np.ndarray],
    weights: Sequence[np.ndarray | None],
    tables: tuple[np.ndarray | None, ...],
    *,
    reverse: bool,
) -> list[np.ndarray]:
    weight_hh = weights[1]
    assert weight_hh is not None
    directions, hidden = len(weights) // FIELDS, weight_hh.shape[1]
    new = np.zeros if tables else np.empty  # zeros after the end of a sequence
    y = new((*x.shape[:2], directions * hidden), x.dtype)
    finals = tuple(np.empty((directions, x.shape[1], hidden), x.dtype) for _ in range(kernel.states))
    arrays = (
        tuple(None if a is None else np.ascontiguousarray(a) for a in given) for given in (state, weights, tables)
    )
    kernel.forward_arrays(np.ascontiguousarray(x), *arrays, reverse, 1, y, finals)
    return [y, *finals]


def _scan_direction(
    step: BoundGraph,
    x: np.ndarray,
    state: list[np.ndarray],
    weights: Sequence[np.ndarray | None],
    valid: np.ndarray | None,
    reverse: bool,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Run one direction. The state is held where a step is not valid."""
    weight_ih, weight_hh, bias_ih, bias_hh, diagonal, _ = weights
    assert weight_ih is not None
    assert weight_hh is not None
    steps, batch, hidden = x.shape[0], x.shape[1], weight_hh.shape[1]
    names = [i.name for i in step.graph.inputs if i.name.startswith("state_")]
    state = state or [np.zeros((batch, hidden), x.dtype) for _ in names]
    halves = x @ weight_ih.T
    if bias_ih is not None:
        halves += bias_ih
    fixed = {
        "weight_hh": weight_hh,
        "bias_hh": np.zeros(len(weight_hh), x.dtype) if bias_hh is None else bias_hh,
        "diagonal": np.zeros((0, hidden), x.dtype) if diagonal is None else diagonal,
    }
    y = np.zeros((steps, batch, hidden), x.dtype)
    for t in range(steps - 1, -1, -1) if reverse else range(steps):
        new = list(step(x=halves[t], **dict(zip(names, state, strict=True)), **fixed).values())
        if valid is not None:
            new = [np.where(valid[t, :, None], n, s) for n, s in zip(new, state, strict=True)]
        state = new
        y[t] = state[0] if valid is None else np.where(valid[t, :, None], state[0], 0)
    return y, state


def _unpack(data: np.ndarray, lengths: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    padded = np.zeros((len(offsets) - 1, len(lengths), data.shape[1]), data.dtype)
    padded[np.arange(len(padded))[:, None] < lengths] = data
    return padded


def _restore_none(values: Sequence[Any], present: Sequence[bool]) -> list[Any]:
    remaining = iter(values)
    return [next(remaining) if is_present else None for is_present in present]
