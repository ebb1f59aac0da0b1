"""A program of `torch.export` as a graph of operators."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch._ops import HigherOrderOperator, OpOverload

from throughtime._core.errors import InputError
from throughtime._core.weights import split_directions
from throughtime.io.recording import IGNORED_KEYWORDS, dtype_name, record_step
from throughtime.runtime.graph import Graph
from throughtime.runtime.nodes import DTYPES, LOOP, SCAN, Input, Node, Value, map_leaves, needed_nodes
from throughtime.runtime.operators import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from torch import Tensor

_CHECKS = ("aten._assert", "aten.sym_constrain", "aten._check")  # nodes whose results nothing reads
_GENERAL = {
    "aten.view.default": "aten.reshape.default",
    "aten._unsafe_view.default": "aten.reshape.default",
    **{
        f"aten.__{name}__.{overload}": f"aten.bitwise_{name}.{overload}"
        for name in ("and", "or", "xor")
        for overload in ("Tensor", "Scalar")
    },
}
"""Operators that do the same, for any strides and however they are called."""
_OF_TRAINING = {"aten.dropout.default": 2, "aten.feature_dropout.default": 2, "aten.batch_norm.default": 5}
"""The argument that says whether an operator computes what it does in training."""


def read_program(program: Any, outputs: Sequence[str], size_names: Mapping[str, str]) -> Graph:
    """Return an exported program as a graph, without what no output depends on.

    Args:
        program: of `torch.export`.
        outputs: names of its outputs, in their order; none for what is not a tensor.
        size_names: names of the symbols of free sizes.

    Raises:
        InputError: for what no graph holds, with the reason.
    """
    reader = _Reader(program.graph_module, size_names)
    for node, spec in zip(program.graph.find_nodes(op="placeholder"), program.graph_signature.input_specs, strict=True):
        kind = spec.kind.name
        if kind == "USER_INPUT":
            reader.add_input(node)
        elif kind in ("PARAMETER", "BUFFER") and spec.target in program.state_dict:
            reader.weights[node.name] = spec.target
        elif kind in ("PARAMETER", "BUFFER", "CONSTANT_TENSOR"):
            reader.constants[node.name] = _array(program.constants[spec.target])
        else:
            raise InputError(f"`forward` uses {spec.target}, which is not a tensor; only tensors can be saved")
    reader.read_nodes()
    return reader.graph(outputs)


def refuse_writes(program: Any) -> None:
    """Refuse a program that changes a buffer or an input.

    Raises:
        InputError: names what it changes.
    """
    written = [*program.graph_signature.buffers_to_mutate.values(), *program.graph_signature.user_inputs_to_mutate]
    if written:
        raise InputError(f"`forward` writes to {written[0]}; return the new value instead")


class _Reader:
    """Reads the nodes of a graph of torch.

    Args:
        module: with the graph, and those of the bodies of loops.
        size_names: names of the symbols of free sizes.
    """

    def __init__(self, module: Any, size_names: Mapping[str, str]) -> None:
        self._module, self._size_names = module, size_names
        self._inputs: list[Input] = []
        self.weights: dict[str, str] = {}
        self.constants: dict[str, np.ndarray] = {}
        self._nodes: list[Node] = []
        self._cells: dict[str, Graph] = {}

    def add_input(self, node: Any) -> None:
        """Add an input of the graph."""
        example = node.meta["val"]
        if not isinstance(example, torch.Tensor):
            self._inputs.append(Input(node.name, "int64", ()))
            return
        sizes = tuple(map(size_of, example.shape))
        names = tuple(size if isinstance(size, int) else self._size_names.get(size, size) for size in sizes)
        self._inputs.append(Input(node.name, dtype_name(example.dtype), names))

    def read_nodes(self) -> None:
        """Add all operators."""
        for node in self._module.graph.find_nodes(op="get_attr"):
            self._read_body(node)
        for node in self._module.graph.nodes:
            if node.op == "call_function":
                self._read_node(node)

    def graph(self, outputs: Sequence[str]) -> Graph:
        """Return the graph, without what no output depends on."""
        (output,) = self._module.graph.find_nodes(op="output")
        values = [value for value in output.args[0] if value is not None]
        names = {name: _reference(value) for name, value in zip(outputs, values, strict=True)}
        nodes = needed_nodes(self._nodes, names.values())
        used = {value.name for node in nodes for value in node.values()} | {*names.values()}
        weights = {value: weight for value, weight in self.weights.items() if value in used}
        constants = {value: array for value, array in self.constants.items() if value in used}
        return Graph(tuple(self._inputs), names, tuple(nodes), weights, constants, self._cells)

    def _read_body(self, node: Any) -> None:
        """Add the body of a loop; a tensor is a constant."""
        held = getattr(self._module, node.target)
        if isinstance(held, torch.Tensor):
            self.constants[node.name] = _array(held)
            return
        body = _Reader(held, self._size_names)
        for placeholder in held.graph.find_nodes(op="placeholder"):
            body.add_input(placeholder)
        body.read_nodes()
        (output,) = held.graph.find_nodes(op="output")
        self._cells[node.name] = body.graph([str(i) for i in range(len(output.args[0]))])

    def _read_node(self, node: Any) -> None:
        operator = _operator_name(node.target)
        operator = _GENERAL.get(operator, operator)
        if operator.startswith(_CHECKS):
            return
        if operator == "aten.to.device":  # a cast, wherever it runs
            self._nodes.append(Node(node.name, "aten.to.dtype", (_encode(node.args[0]), _encode(node.args[2])), {}))
            return
        if operator not in OPERATORS and operator not in (SCAN, LOOP):
            raise InputError(f"the operator {operator} cannot leave torch; replace what calls it in `forward`")
        position = _OF_TRAINING.get(operator)
        if position is not None and node.args[position]:
            raise InputError(f"the operator {operator} runs as in training; pass training=self.training")
        keywords = {name: _encode(argument) for name, argument in node.kwargs.items() if name not in IGNORED_KEYWORDS}
        arguments = tuple(_encode(argument) for argument in node.args)
        if operator == SCAN:
            self._add_cells(node)
        if operator == LOOP:
            arguments = (arguments[0].name, *arguments[1:])
        self._nodes.append(Node(node.name, operator, arguments, keywords))

    def _add_cells(self, node: Any) -> None:
        """Add the step of the cell of a scan."""
        remaining, kernel = iter(node.args[2]), node.args[4]
        examples = tuple(next(remaining).meta["val"] if is_present else None for is_present in node.args[5])
        for weights in split_directions(examples):
            name = f"{kernel} {weights.weight_hh.shape[1]}"
            if name not in self._cells:
                rows = 0 if weights.diagonal is None else weights.diagonal.shape[0]
                cell, activation, _ = kernel.split()
                hidden, dtype = weights.weight_hh.shape[1], weights.weight_hh.dtype
                self._cells[name] = record_step(cell, activation, hidden, rows, dtype)


def rename_inputs(graph: Graph, names: Sequence[str]) -> Graph:
    """Return a graph with other names of its inputs, in their order."""
    new = {i.name: name for name, i in zip(names, graph.inputs, strict=True)}
    if all(old == name for old, name in new.items()):
        return graph

    def rename(leaf: Any) -> Any:
        return Value(new.get(leaf.name, leaf.name)) if isinstance(leaf, Value) else leaf

    return replace(
        graph,
        inputs=tuple(i._replace(name=new[i.name]) for i in graph.inputs),
        nodes=tuple(node._replace(arguments=tuple(map_leaves(rename, node.arguments))) for node in graph.nodes),
        outputs={name: new.get(value, value) for name, value in graph.outputs.items()},
    )


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
        return DTYPES[dtype_name(argument)]
    if argument is None or isinstance(argument, bool | int | float | str):
        return argument
    if isinstance(argument, torch.device | torch.layout | torch.memory_format):
        return None
    raise InputError(f"an argument of the type {type(argument).__name__} cannot leave torch")


def _operator_name(target: Any) -> str:
    if isinstance(target, HigherOrderOperator):
        return f"higher_order.{target.name()}"
    if isinstance(target, OpOverload):
        return str(target)
    return f"{target.__module__.removeprefix('_')}.{target.__name__}"


def size_of(size: Any) -> int | str:
    """Return a size, or the symbol of one that is free."""
    text = str(size)  # a size that was fixed later is still a SymInt
    return int(text) if text.isdigit() else text


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().copy()
