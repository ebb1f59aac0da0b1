"""A module of torch as a graph of operators, through `torch.export`.

The graph is that of evaluation. A recurrent layer that has a kernel becomes one node, so that batch and length may
stay free; the step of its cell is captured from its reference step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.functional import linear

from throughtime._core.activations import get_activation
from throughtime._core.errors import InputError
from throughtime._core.reference import CELLS
from throughtime._core.shapes import FIELDS
from throughtime.runtime.graph import Graph
from throughtime.runtime.nodes import DTYPES, SCAN, Input, Node, Value
from throughtime.runtime.operators import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    import numpy as np
    from torch import Tensor

_kept: dict[Hashable, Graph] = {}
_MAX_KEPT = 32  # graphs
_CHECKS = ("aten._assert", "aten.sym_constrain", "aten._check")  # nodes without a result that anything reads


def capture(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    free: Mapping[str, Mapping[int, str]],
    outputs: Sequence[str],
    *,
    key: Hashable = None,
) -> Graph:
    """Return what a module computes in evaluation, as a graph.

    A capture takes about a second, so graphs are kept by their `key`.

    Args:
        module: takes the inputs by name, and returns a tensor, or a tuple of them.
        inputs: examples, with two or more in every dimension that is free.
        free: for each input, the names of its free dimensions; equal sizes have equal names.
        outputs: names of the outputs, in their order.
        key: what modules with equal graphs have in common, such as their class and sizes; None for a graph of its own.

    Raises:
        InputError: for a module that is no such graph, with the reason.
    """
    if key is None:
        return _capture(module, inputs, free, outputs)
    if key not in _kept:
        while len(_kept) >= _MAX_KEPT:
            _kept.pop(next(iter(_kept)), None)
        _kept[key] = _capture(module, inputs, free, outputs)
    return _kept[key]


def _capture(
    module: nn.Module, inputs: Mapping[str, Tensor], free: Mapping[str, Mapping[int, str]], outputs: Sequence[str]
) -> Graph:
    training = module.training
    module.eval()
    try:
        with torch.no_grad():
            program = _export(module, inputs, free)
    finally:
        module.train(training)
    return _Reader(program, inputs, free).graph(outputs)


def _export(module: nn.Module, inputs: Mapping[str, Tensor], free: Mapping[str, Mapping[int, str]]) -> Any:
    names = {name for axes in free.values() for name in axes.values()}
    dimensions = {name: torch.export.Dim(name, min=1) for name in names}
    shapes = {name: {axis: dimensions[size] for axis, size in free.get(name, {}).items()} or None for name in inputs}
    try:
        return torch.export.export(module, (), dict(inputs), dynamic_shapes=shapes, strict=False)
    except Exception as error:  # torch raises many kinds, with pages of advice
        reason = str(error).strip().split("\n")[0][:300]
        raise InputError(
            f"{type(module).__name__}: cannot be written as a graph of operators that holds for all inputs: {reason}"
        ) from error


class _Reader:
    """Reads an exported program.

    Args:
        program: of `torch.export`.
        inputs: the examples.
        free: names of free dimensions.
    """

    def __init__(self, program: Any, inputs: Mapping[str, Tensor], free: Mapping[str, Mapping[int, str]]) -> None:
        self._program, self._free = program, free
        self._inputs: list[Input] = []
        self._weights: dict[str, str] = {}
        self._constants: dict[str, np.ndarray] = {}
        self._nodes: list[Node] = []
        self._examples = inputs
        self._cells: dict[str, Graph] = {}

    def graph(self, outputs: Sequence[str]) -> Graph:
        """Return the graph, without what no output depends on."""
        specs = iter(self._program.graph_signature.input_specs)
        values: list[Any] = []
        for node in self._program.graph.nodes:
            if node.op == "placeholder":
                self._read_input(node, next(specs))
            elif node.op == "call_function":
                self._read_node(node)
            elif node.op == "output":
                values = list(node.args[0])
        names = {name: _reference(value) for name, value in zip(outputs, values, strict=True)}
        nodes = _needed(self._nodes, names.values())
        used = {value.name for node in nodes for value in _arguments(node)} | {*names.values()}
        weights = {value: weight for value, weight in self._weights.items() if value in used}
        constants = {value: array for value, array in self._constants.items() if value in used}
        return Graph(tuple(self._inputs), names, tuple(nodes), weights, constants, self._cells)

    def _read_input(self, node: Any, spec: Any) -> None:
        kind = spec.kind.name
        if kind in ("PARAMETER", "BUFFER"):
            target = spec.target
            if target in self._program.state_dict:
                self._weights[node.name] = target
            else:
                self._constants[node.name] = _array(self._program.constants[target])
        elif kind == "CONSTANT_TENSOR":
            self._constants[node.name] = _array(self._program.constants[spec.target])
        elif kind == "USER_INPUT":
            example = self._examples[node.name]
            axes = self._free.get(node.name, {})
            shape = tuple(axes.get(axis, size) for axis, size in enumerate(example.shape))
            self._inputs.append(Input(node.name, _dtype_name(example.dtype), shape))

    def _read_node(self, node: Any) -> None:
        operator = _operator_name(node.target)
        if operator.startswith(_CHECKS):
            return
        if operator not in OPERATORS and operator != SCAN:
            raise InputError(f"the operator {operator} cannot leave torch; replace what calls it in `forward`")
        arguments = tuple(_encode(argument) for argument in node.args)
        keywords = {name: _encode(argument) for name, argument in node.kwargs.items() if name not in _IGNORED}
        if operator == SCAN:
            self._add_cells(node)
        self._nodes.append(Node(node.name, operator, arguments, keywords))

    def _add_cells(self, node: Any) -> None:
        """Add the step of the cell of a scan."""
        weights, kernel, present = node.args[2], node.args[4], node.args[5]
        remaining = iter(weights)
        fields = [next(remaining).meta["val"] if is_present else None for is_present in present]
        for first in range(0, len(fields), FIELDS):
            _, weight_hh, _, _, diagonal, _ = fields[first : first + FIELDS]
            name = f"{kernel} {weight_hh.shape[1]}"
            if name not in self._cells:
                rows = 0 if diagonal is None else diagonal.shape[0]
                self._cells[name] = capture_step(*kernel.split()[:2], weight_hh.shape[1], rows, weight_hh.dtype)


_IGNORED = ("device", "layout", "pin_memory", "memory_format", "non_blocking", "copy")


def capture_step(cell_name: str, activation: str, hidden: int, diagonals: int, dtype: torch.dtype) -> Graph:
    """Return one step of a cell as a graph, from its reference step.

    Its inputs are the input halves of all gates, `x` (N, G*H), the states `state_0` …, `weight_hh` (G*H, H), `bias_hh`
    and `diagonal` (…, H); its outputs are the new states.
    """
    cell, step = CELLS[cell_name]
    gates, f = len(cell.gates), get_activation(activation)

    def run(x: Tensor, weight_hh: Tensor, bias_hh: Tensor, diagonal: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        def half(h: Tensor) -> tuple[Tensor, ...]:
            return linear(h, weight_hh, bias_hh).chunk(gates, -1)

        return step(x.chunk(gates, -1), half, state, tuple(diagonal), f, torch.sigmoid, f)[0]

    batch = 3
    names = ["x", "weight_hh", "bias_hh", "diagonal", *(f"state_{i}" for i in range(len(cell.states)))]
    shapes = [(batch, gates * hidden), (gates * hidden, hidden), (gates * hidden,), (diagonals, hidden)]
    shapes += [(batch, hidden)] * len(cell.states)
    traced = make_fx(run)(*(torch.zeros(shape, dtype=dtype) for shape in shapes))
    inputs, nodes, outputs = [], [], {}
    renamed: dict[str, str] = {}
    for node in traced.graph.nodes:
        if node.op == "placeholder":
            name, shape = names[len(inputs)], shapes[len(inputs)]
            renamed[node.name] = name
            is_batch = name == "x" or name.startswith("state_")
            inputs.append(Input(name, _dtype_name(dtype), ("N", shape[1]) if is_batch else shape))
        elif node.op == "call_function":
            operator = _operator_name(node.target)
            nodes.append(Node(node.name, operator, *_renamed(node, renamed)))
        elif node.op == "output":
            outputs = {f"state_{i}": _reference(value) for i, value in enumerate(node.args[0])}
    return Graph(tuple(inputs), outputs, tuple(_needed(nodes, outputs.values())))


def _renamed(node: Any, names: Mapping[str, str]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    def rename(argument: Any) -> Any:
        if isinstance(argument, Value):
            return Value(names.get(argument.name, argument.name))
        return [rename(item) for item in argument] if isinstance(argument, list) else argument

    return tuple(rename(_encode(a)) for a in node.args), {k: rename(_encode(a)) for k, a in node.kwargs.items()}


def _needed(nodes: Sequence[Node], outputs: Any) -> list[Node]:
    """Return the nodes that outputs depend on."""
    needed, kept = {*outputs}, []
    for node in reversed(nodes):
        if node.name in needed:
            kept.append(node)
            needed.update(value.name for value in _arguments(node))
    return kept[::-1]


def _arguments(node: Node) -> list[Value]:
    found: list[Value] = []
    waiting: list[Any] = [*node.arguments, *node.keywords.values()]
    while waiting:
        item = waiting.pop()
        if isinstance(item, Value):
            found.append(item)
        elif isinstance(item, list):
            waiting += item
    return found


def _reference(value: Any) -> str:
    if not isinstance(value, torch.fx.Node):
        raise InputError(f"an output is the constant {value!r}; return tensors that depend on the inputs")
    return value.name


def _encode(argument: Any) -> Any:
    if isinstance(argument, torch.fx.Node):
        return Value(argument.name)
    if isinstance(argument, list | tuple):
        return [_encode(item) for item in argument]
    if isinstance(argument, torch.dtype):
        return DTYPES[_dtype_name(argument)]
    if argument is None or isinstance(argument, bool | int | float | str):
        return argument
    if isinstance(argument, torch.device | torch.layout | torch.memory_format):
        return None
    raise InputError(f"an argument of the type {type(argument).__name__} cannot leave torch")


def _operator_name(target: Any) -> str:
    if getattr(target, "__module__", "") == "_operator":
        return f"operator.{target.__name__}"
    return str(target)


def _dtype_name(dtype: torch.dtype) -> str:
    name = str(dtype).removeprefix("torch.")
    if name not in DTYPES:
        raise InputError(f"expected tensors of {', '.join(DTYPES)}, got {name}")
    return name


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()
