"""A graph of operators as a module of torch: what `throughtime.load` returns for a custom module."""

from __future__ import annotations

import math
import operator
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch._higher_order_ops.scan import scan as scan_operator

from throughtime._core.custom_operators import restore_none
from throughtime._core.errors import InputError
from throughtime._core.lengths import BatchLengths
from throughtime._core.reference import CELLS
from throughtime._core.scan_config import ScanConfig
from throughtime._core.weights import WeightSpec
from throughtime.nn._notebook import NotebookReprMixin
from throughtime.nn._stack import LayerCall
from throughtime.runtime.graph_network import fill_structure, name_inputs
from throughtime.runtime.nodes import LOOP, SCAN, Value, map_leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from throughtime.nn._stack import Runner
    from throughtime.runtime.graph import Graph
    from throughtime.runtime.nodes import Node

_LIBRARIES: dict[str, Any] = {"operator": operator, "math": math, "torch": torch}


class ScanModule(nn.Module):
    """The weights of a layer of a graph; runs its scans by the kernels, or by a runner that records what happens."""

    runner: Runner | None = None

    def forward(
        self,
        number: int,
        x: Tensor,
        state: list[Tensor],
        weights: list[Tensor],
        ragged: list[Tensor],
        kernel: str,
        weight_present: list[bool],
        table_present: list[bool],
        reverse: bool,
        directions: int,
        limit: float,
        of_norm: bool,
    ) -> list[Tensor]:
        """Return what the operator `throughtime::scan` returns; a runner keeps nothing for the backward pass."""
        if self.runner is None:
            operands = x, state, weights, ragged, kernel, weight_present, table_present
            return torch.ops.throughtime.scan(*operands, reverse, directions, limit, of_norm)
        name, activation, _ = kernel.split()
        cell = CELLS[name].cell
        flat = restore_none(weights, weight_present)
        config = ScanConfig.of(activation)._replace(reverse=reverse)
        lengths = BatchLengths.padded(ragged[0], len(x), x.shape[1]) if ragged and x.dim() == 3 else None
        if ragged and lengths is None:
            raise InputError("a graph of packed sequences cannot be recorded; give inputs without lengths")
        spec = WeightSpec((x.shape[-1], weights[1].shape[1]), 0, ())
        state = state or [x.new_zeros(directions, x.shape[1], weights[1].shape[1]) for _ in cell.states]
        call = LayerCall(number, cell, x, tuple(state), flat, config, lengths, spec, return_all_states=False)
        states, finals = self.runner(call)
        return [states[0], *finals, x.new_empty(0)]


class GraphModule(NotebookReprMixin):
    """Evaluates a graph with the operators of torch, so that its weights can be trained further.

    Parameters and buffers have the names that they had in the module that was captured. What the graph does is what
    that module did in evaluation: there is no dropout.

    Args:
        graph: with its inputs, outputs and operators.
        tensors: weights by name.
        structure: of what it returns, with numbers of outputs in place of tensors.
        buffers: names of those that are not trained.

    Raises:
        ValueError: for a weight that is missing.
    """

    def __init__(
        self,
        graph: Graph,
        tensors: Mapping[str, Tensor],
        structure: Any = 0,
        buffers: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        missing = [name for name in graph.weights.values() if name not in tensors]
        if missing:
            raise ValueError(f"expected the weight {missing[0]!r}, which is missing")
        self._graph, self._structure = graph, structure
        scans = {node.name: _layer_of(graph, node) for node in graph.nodes if node.operator == SCAN}
        layers = {path for path, _ in scans.values()}
        for name, tensor in tensors.items():
            path, _, leaf = name.rpartition(".")
            owner = self._add_modules(path, layers)
            if name in buffers or not tensor.is_floating_point():
                owner.register_buffer(leaf, tensor)
            else:
                owner.register_parameter(leaf, nn.Parameter(tensor))
        for name, array in graph.constants.items():
            self.register_buffer(f"_{name}", torch.from_numpy(np.array(array)), persistent=False)
        for path in layers:
            self._add_modules(path, layers)
        self._functions = [
            partial(self.get_submodule(scans[node.name][0]), scans[node.name][1]) if node.name in scans else function
            for node, function in zip(graph.nodes, _functions(graph), strict=True)
        ]

    def _add_modules(self, path: str, layers: set[str]) -> nn.Module:
        """Return the module of a path; add what is not there yet, `ScanModule` for layers."""
        owner: nn.Module = self
        steps = path.split(".") if path else []
        for i, step in enumerate(steps):
            if not hasattr(owner, step):
                owner.add_module(step, ScanModule() if ".".join(steps[: i + 1]) in layers else nn.Module())
            owner = getattr(owner, step)
        return owner

    def forward(self, *inputs: Tensor, **named: Tensor) -> Any:
        """Return what the module returned, for inputs in their order or by name.

        Raises:
            InputError: for inputs that are missing or unknown.
        """
        graph = self._graph
        values: dict[str, Any] = name_inputs([i.name for i in graph.inputs], inputs, named)
        values |= {value: self.get_buffer(f"_{value}") for value in graph.constants}
        for value, name in graph.weights.items():
            values[value] = self.weight(name)
        return fill_structure(self._structure, _evaluate(graph, self._functions, values))

    @property
    def graph(self) -> Graph:
        """What is computed."""
        return self._graph

    def weight(self, name: str) -> Tensor:
        """Return a parameter or buffer by its name."""
        path, _, leaf = name.rpartition(".")
        return getattr(self.get_submodule(path), leaf)

    def extra_repr(self) -> str:
        """Name the inputs and outputs."""
        shapes = (f"{name} ({', '.join(map(str, shape))})" for name, _, shape in self._graph.inputs)
        return f"{', '.join(shapes)} -> {len(self._graph.outputs)} outputs, {len(self._graph.nodes)} operators"


def _layer_of(graph: Graph, node: Node) -> tuple[str, int]:
    """Return the path of the module that has the weights of a scan, and the number of the layer in it.

    It is that of the first weight, such as 'encoder.weight_ih_l0'; the name of the node where the module itself has the
    weights, or where they are computed.
    """
    first = node.arguments[2][0].name
    path, _, leaf = graph.weights.get(first, "").rpartition(".")
    number = leaf.rpartition("_l")[2]
    return (path, int(number)) if path and number.isdecimal() else (node.name, 0)


def _evaluate(graph: Graph, functions: Sequence[Callable[..., Any]], values: dict[str, Any]) -> list[Any]:
    """Return the outputs of a graph for its inputs, weights and constants."""

    def resolve(leaf: Any) -> Any:
        if isinstance(leaf, np.dtype):
            return getattr(torch, str(leaf))
        return values[leaf.name] if isinstance(leaf, Value) else leaf

    for node, function in zip(graph.nodes, functions, strict=True):
        values[node.name] = function(*map_leaves(resolve, node.arguments), **map_leaves(resolve, node.keywords))
    return [values[value] for value in graph.outputs.values()]


def _functions(graph: Graph) -> list[Callable[..., Any]]:
    """Return the function of each node. Their names are some of those that a graph accepts."""
    cells = {name: (cell, _functions(cell)) for name, cell in graph.cells.items()}
    return [partial(_loop, cells) if node.operator == LOOP else _function(node.operator) for node in graph.nodes]


def _function(name: str) -> Callable[..., Any]:
    library, function, *overload = name.split(".")
    if library in _LIBRARIES:
        return getattr(_LIBRARIES[library], function)
    return getattr(getattr(getattr(torch.ops, library), function), overload[0])


def _loop(
    cells: Mapping[str, tuple[Graph, list[Callable[..., Any]]]],
    cell: str,
    state: Sequence[Tensor],
    sequences: Sequence[Tensor],
    others: Sequence[Tensor] = (),
) -> list[Tensor]:
    """Return the final states and what else every step returns, as `runtime.scan.loop` does."""
    graph, functions = cells[cell]
    names = [i.name for i in graph.inputs]

    def advance(states: tuple[Tensor, ...], now: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        results = _evaluate(graph, functions, dict(zip(names, (*states, *now, *others), strict=True)))
        return tuple(results[: len(states)]), tuple(results[len(states) :])

    if torch.compiler.is_compiling():
        final, collected = scan_operator(advance, tuple(state), tuple(sequences))
        return [*final, *collected]
    states, rows = tuple(state), []
    for now in zip(*sequences, strict=True):
        states, row = advance(states, now)
        rows.append(row)
    return [*states, *(torch.stack(values) for values in zip(*rows, strict=True))]
