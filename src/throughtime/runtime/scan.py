"""Loops over time without torch: recurrent layers by the compiled kernels, others around the graph of a step."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime import _kernels
from throughtime.runtime.operators.limits import require_size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from throughtime._kernels._engine import Kernel
    from throughtime.runtime.graph_evaluation import BoundGraph

    Arrays = Sequence[np.ndarray]

FIELDS = 6
"""Weights of a direction: weight_ih, weight_hh, bias_ih, bias_hh, diagonal, weight_hr."""
_MAX_DIRECTIONS = 2
_THREADS = int(os.environ.get("OMP_NUM_THREADS", "0").split(",")[0] or 0) or os.cpu_count() or 1  # an upper limit


def scan(
    cells: Mapping[str, BoundGraph],
    x: np.ndarray,
    state: Arrays,
    weights: Arrays,
    tables: Arrays,
    kernel: str,
    weight_present: Sequence[bool],
    table_present: Sequence[bool],
    reverse: bool,
    directions: int,
    *_: Any,
) -> list[np.ndarray]:
    """Return the outputs of all steps and the final states, as the operator `throughtime::scan` does.

    Args:
        cells: the graph of a step, by the name of the kernel and H; it runs where the kernel is not compiled.
        x: (T, N, I).
        state: initial states (D, N, H); empty for zeros.
        weights: those of the `FIELDS` of each direction that are present.
        tables: those of lengths, order and offsets that are present.
        kernel: names the cell, its activation and the bits of its numbers.
        weight_present: which weights are present.
        table_present: which tables are present.
        reverse: whether a single direction runs backwards.
        directions: D.
        _: how gradients are clipped.

    Raises:
        ValueError: for what does not fit together, and packed sequences.
    """
    fields = restore_none(weights, weight_present)
    lengths, order, offsets = restore_none(tables, table_present)
    if offsets is not None or x.ndim != 3 or not 1 <= directions <= _MAX_DIRECTIONS:
        raise ValueError("expected padded sequences (T, N, I) in one or two directions")
    if len(fields) != FIELDS * directions or fields[1] is None:
        raise ValueError("expected the weights of each direction")
    require_size(*x.shape[:2], directions, len(fields[1]))
    compiled = _kernels.find(*_kernel_key(kernel))
    if compiled is not None and x.size:
        return _run_kernel(compiled, x, state, fields, () if lengths is None else (lengths, order), reverse=reverse)
    valid = None if lengths is None else np.arange(len(x))[:, None] < lengths
    results = []
    for d in range(directions):
        own = fields[d * FIELDS : (d + 1) * FIELDS]
        step = cells[f"{kernel} {own[1].shape[1]}"]
        results.append(_run_steps(step, x, [s[d] for s in state], own, valid, reverse=d == 1 or reverse))
    outputs, finals = zip(*results, strict=True)
    return [np.concatenate(outputs, -1), *(np.stack(states) for states in zip(*finals, strict=True))]


def loop(
    cells: Mapping[str, BoundGraph], cell: str, state: Arrays, sequences: Arrays, others: Arrays = ()
) -> list[np.ndarray]:
    """Return the final states, and what every step returns in addition to its states, stacked.

    Args:
        cells: the graphs of steps.
        cell: which of them runs; its inputs are states, the values of a step and the others, in this order.
        state: initial states.
        sequences: (T, …).
        others: the same at every step.

    Raises:
        ValueError: for sequences of no step, or of different lengths.
    """
    step, states = cells[cell], [*state]
    names = [i.name for i in step.graph.inputs]
    steps = {len(sequence) for sequence in sequences}
    if len(steps) != 1 or steps == {0}:
        raise ValueError("expected sequences of one length, at least one step")
    collected: list[list[np.ndarray]] = []
    for t in range(*steps):
        arguments = [*states, *(sequence[t] for sequence in sequences), *others]
        results = [*step.evaluate(dict(zip(names, arguments, strict=True))).values()]
        states = results[: len(states)]
        collected.append(results[len(states) :])
    for values in zip(*collected, strict=True):
        require_size(len(values), *values[0].shape)
    return [*states, *(np.stack(values) for values in zip(*collected, strict=True))]


def _kernel_key(name: str) -> tuple[str, str, int]:
    cell, activation, bits = name.split()
    return cell, activation, int(bits)


def _run_kernel(
    kernel: Kernel,
    x: np.ndarray,
    state: Arrays,
    weights: Sequence[np.ndarray | None],
    tables: tuple[np.ndarray | None, ...],
    *,
    reverse: bool,
) -> list[np.ndarray]:
    directions, hidden = len(weights) // FIELDS, _hidden(weights)
    new = np.zeros if tables else np.empty  # zeros after the end of a sequence
    y = new((*x.shape[:2], directions * hidden), x.dtype)
    finals = tuple(np.empty((directions, x.shape[1], hidden), x.dtype) for _ in range(kernel.states))
    arguments = np.ascontiguousarray(x), _contiguous(state), _contiguous(weights), _contiguous(tables)
    kernel.forward_arrays(*arguments, reverse, _THREADS, y, finals)
    return [y, *finals]


def _hidden(weights: Sequence[np.ndarray | None]) -> int:
    weight_hh = weights[1]
    assert weight_hh is not None
    return weight_hh.shape[-1]


def _contiguous(arrays: Sequence[np.ndarray | None]) -> tuple[np.ndarray | None, ...]:
    return tuple(None if array is None else np.ascontiguousarray(array) for array in arrays)


def _run_steps(
    step: BoundGraph,
    x: np.ndarray,
    state: list[np.ndarray],
    weights: Sequence[np.ndarray | None],
    valid: np.ndarray | None,
    *,
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
    for t in reversed(range(steps)) if reverse else range(steps):
        new = [*step.evaluate({"x": halves[t], **dict(zip(names, state, strict=True)), **fixed}).values()]
        if valid is not None:
            new = [np.where(valid[t, :, None], n, s) for n, s in zip(new, state, strict=True)]
        state = new
        y[t] = state[0] if valid is None else np.where(valid[t, :, None], state[0], 0)
    return y, state


def restore_none(values: Sequence[Any], present: Sequence[bool]) -> list[Any]:
    """Insert None where no value is present."""
    remaining = iter(values)
    return [next(remaining) if is_present else None for is_present in present]
