"""Recurrent layers in ONNX: the operator of the cell where there is one, else a loop around its step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.activations import ONNX_ACTIVATIONS
from throughtime._core.errors import InputError
from throughtime._core.reference import CELLS
from throughtime.io.onnx_graph.translator import TRANSLATIONS, Ref, Translator
from throughtime.runtime.nodes import LOOP, SCAN
from throughtime.runtime.operators import OPERATORS
from throughtime.runtime.scan import FIELDS, restore_none

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime._core.cell import Cell
    from throughtime.runtime.graph import Graph
    from throughtime.runtime.nodes import Node

_OPERATORS = {1: "RNN", 3: "GRU", 4: "LSTM"}  # by the number of gates


def _scan(
    t: Translator,
    x: Ref,
    state: Sequence[Ref],
    weights: Sequence[Ref],
    tables: Sequence[Ref],
    kernel: str,
    weight_present: Sequence[bool],
    table_present: Sequence[bool],
    reverse: bool,
    directions: int,
    *_: Any,
) -> list[str]:
    cell_name, activation = kernel.split()[:2]
    fields = restore_none(weights, weight_present)
    lengths = restore_none(tables, table_present)[0]
    sides = [fields[d * FIELDS : (d + 1) * FIELDS] for d in range(directions)]
    cell = CELLS[cell_name].cell
    if not cell.onnx_gates:
        return _scan_steps(t, kernel, x, state, sides, lengths, reverse=reverse)
    operator = _OPERATORS[len(cell.gates)]
    arrays = _arrays(t, cell, sides)
    hidden = np.shape(sides[0][1].sample)[1]
    steps = "" if lengths is None else t.cast(lengths, np.int32)
    initial = [s.name for s in state] or [_zeros(t, x, directions, hidden) for _ in cell.states]
    functions = {"RNN": ["tanh"], "GRU": ["sigmoid", "tanh"], "LSTM": ["sigmoid", "tanh", "tanh"]}[operator]
    names = [ONNX_ACTIVATIONS[activation if name == "tanh" else name] for name in functions] * directions
    outputs = t.add(
        operator,
        *[x.name, *arrays[:3], steps, *initial, *arrays[3:]],
        outputs=1 + len(cell.states),
        hidden_size=hidden,
        direction="bidirectional" if directions == 2 else "reverse" if reverse else "forward",
        activations=names,
        **({"linear_before_reset": 1} if operator == "GRU" else {}),
    )
    y = t.add("Transpose", outputs[0], perm=[0, 2, 1, 3])
    y = t.add("Reshape", y, t.constant([0, 0, -1]))
    finals = outputs[1:]
    if lengths is not None:  # runtimes differ in the final state of no steps: it is the initial one
        empty = t.add("Unsqueeze", t.add("Equal", lengths.name, t.constant(0, lengths.dtype)), t.constant([0, 2]))
        finals = [t.add("Where", empty, b, e) for b, e in zip(initial, finals, strict=True)]
    return [y, *finals]


def _scan_steps(
    t: Translator,
    kernel: str,
    x: Ref,
    state: Sequence[Ref],
    sides: Sequence[Sequence[Any]],
    lengths: Ref | None,
    *,
    reverse: bool,
) -> list[str]:
    """Unfold each direction by a loop around the step of the cell."""
    outputs, finals = [], []
    valid = None
    if lengths is not None:
        steps = t.add("Range", t.constant(0), t.add("Squeeze", t.size(x, 0), t.constant([0])), t.constant(1))
        rows = t.add("Less", t.add("Unsqueeze", steps, t.constant([1])), t.cast(lengths, np.int64))
        valid = Ref(t.add("Unsqueeze", rows, t.constant([2])), np.ones((*np.shape(x.sample)[:2], 1), np.bool_))
    for d, side in enumerate(sides):
        graph = t.cells[f"{kernel} {np.shape(side[1].sample)[1]}"]
        initial = [t.add("Gather", s.name, t.constant(d), axis=0) for s in state]
        y, *states = _direction(t, graph, x, initial, side, valid, reverse=d == 1 or reverse)
        outputs.append(y)
        finals.append(states)
    joined = outputs[0] if len(outputs) == 1 else t.add("Concat", *outputs, axis=-1)
    stacked = [
        t.add("Concat", *(t.add("Unsqueeze", s, t.constant([0])) for s in states), axis=0)
        for states in zip(*finals, strict=True)
    ]
    return [joined, *stacked]


def _direction(
    t: Translator,
    graph: Graph,
    x: Ref,
    initial: Sequence[str],
    side: Sequence[Any],
    valid: Ref | None,
    *,
    reverse: bool,
) -> list[str]:
    """Return the outputs of all steps of a direction, and its final states."""
    weight_ih, weight_hh, bias_ih, bias_hh, diagonal, _ = side
    batch, hidden = np.shape(x.sample)[1], np.shape(weight_hh.sample)[1]
    halves = t.add("MatMul", x.name, t.add("Transpose", weight_ih.name, perm=[1, 0]))
    halves = halves if bias_ih is None else t.add("Add", halves, bias_ih.name)
    if not initial:
        sizes = t.add("Concat", t.size(x, 1), t.constant([hidden]), axis=0)
        zeros = t.add("Expand", t.constant(0, x.dtype), sizes)
        initial = [zeros] * len(graph.outputs)
    body = Translator(t.onnx, t.new_name("step") + "_")
    sample = np.zeros((batch, hidden), x.dtype)
    states = [Ref(body.new_name("state"), sample) for _ in initial]
    now = Ref(body.new_name("half"), np.zeros((batch, len(weight_hh.sample)), x.dtype))
    fixed = {
        "weight_hh": weight_hh,
        "bias_hh": bias_hh or Ref(t.constant(np.zeros(len(weight_hh.sample)), x.dtype), np.zeros(1, x.dtype)),
        "diagonal": diagonal or Ref(t.constant(np.zeros((0, hidden)), x.dtype), np.zeros((0, hidden), x.dtype)),
    }
    values = {"x": now, **fixed, **{f"state_{i}": state for i, state in enumerate(states)}}
    new = [ref.name for ref in body.translate(graph, values, compute_node)]
    inner, sequences, y = [*states, now], [halves], new[0]
    if valid is not None:
        mask = Ref(body.new_name("valid"), valid.sample[0])
        new = [body.add("Where", mask.name, n, s.name) for n, s in zip(new, states, strict=True)]
        y = body.add("Where", mask.name, new[0], body.constant(0, x.dtype))
        inner, sequences = [*inner, mask], [halves, valid.name]
    results = [Ref(body.add("Identity", name), sample) for name in (*new, y)]
    *finals, outputs = _add_loop(t, body, inner, results, [*initial, *sequences], len(sequences), reverse=reverse)
    return [outputs, *finals]


def compute_node(node: Node, arguments: Any, keywords: Any) -> Any:
    """Return the result of a node other than a loop."""
    return OPERATORS[node.operator](*arguments, **keywords)


def _add_loop(
    t: Translator,
    body: Translator,
    inner: Sequence[Ref],
    results: Sequence[Ref],
    inputs: Sequence[str],
    sequences: int,
    *,
    reverse: bool = False,
) -> list[str]:
    """Add a loop. Its inputs are initial states, then sequences; it returns final states, then what it collects."""
    info = t.onnx.helper.make_tensor_value_info

    def describe(refs: Sequence[Ref]) -> list[Any]:
        return [info(ref.name, t.kind(ref.dtype), [None] * ref.ndim) for ref in refs]

    constants = [*body.constants.values()]
    steps = t.onnx.helper.make_graph(body.nodes, t.new_name("body"), describe(inner), describe(results), constants)
    collected = len(results) - (len(inputs) - sequences)
    directions = {"scan_input_directions": [1] * sequences, "scan_output_directions": [1] * collected}
    outputs = t.add(
        "Scan",
        *inputs,
        outputs=len(results),
        body=steps,
        num_scan_inputs=sequences,
        **(directions if reverse else {}),
    )
    return outputs if isinstance(outputs, list) else [outputs]


def _zeros(t: Translator, x: Ref, directions: int, hidden: int) -> str:
    sizes = t.add("Concat", t.constant([directions]), t.size(x, 1), t.constant([hidden]), axis=0)
    return t.add("Expand", t.constant(0, x.dtype), sizes)


def _arrays(t: Translator, cell: Cell, sides: Sequence[Sequence[Any]]) -> list[str]:
    """W (D, G*H, I), R (D, G*H, H), B (D, 2*G*H) and peepholes P (D, 3*H), gates in the order of the operator."""

    def constant(value: Ref) -> np.ndarray:
        if value.constant is None:
            raise InputError("recurrent weights that are computed have no counterpart in ONNX; save the final ones")
        return value.constant

    def reordered(rows: np.ndarray) -> np.ndarray:
        blocks = np.split(rows, len(cell.gates))
        return np.concatenate([blocks[position] for position in cell.onnx_order])

    def both(side: Sequence[Any]) -> np.ndarray:
        none = np.zeros(len(constant(side[1])), side[1].dtype)
        return np.concatenate([reordered(none if b is None else constant(b)) for b in side[2:4]])

    dtype = sides[0][1].dtype
    arrays = [
        np.stack([reordered(constant(side[0])) for side in sides]),
        np.stack([reordered(constant(side[1])) for side in sides]),
        np.stack([both(side) for side in sides]),
    ]
    if cell.diagonals:
        order = [cell.diagonals.index(gate) for gate in cell.onnx_gates if gate in cell.diagonals]
        arrays.append(np.stack([constant(side[4])[order].ravel() for side in sides]))
    return [t.constant(array, dtype) for array in arrays]


def _loop(
    t: Translator, cell: str, state: Sequence[Ref], sequences: Sequence[Ref], others: Sequence[Ref] = ()
) -> list[str]:
    graph = t.cells[cell]
    body = Translator(t.onnx, t.new_name("step") + "_")
    names = [i.name for i in graph.inputs]
    inner = [Ref(body.new_name("state"), s.sample) for s in state]
    inner += [Ref(body.new_name("now"), s.sample[0]) for s in sequences]
    values = dict(zip(names, [*inner, *others], strict=True))
    outputs = body.translate(graph, values, compute_node)
    results = [Ref(body.add("Identity", output.name), output.sample) for output in outputs]
    named = [*(s.name for s in state), *(s.name for s in sequences)]
    return _add_loop(t, body, inner, results, named, len(sequences))


TRANSLATIONS[SCAN] = _scan
TRANSLATIONS[LOOP] = _loop
