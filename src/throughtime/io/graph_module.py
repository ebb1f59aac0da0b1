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

from throughtime._core import custom_operators  # noqa: F401  registers the scan
from throughtime.nn._notebook import NotebookReprMixin
from throughtime.runtime.graph_network import fill_structure, name_inputs
from throughtime.runtime.nodes import LOOP, Value, map_leaves

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import Tensor

    from throughtime.runtime.graph import Graph

_LIBRARIES: dict[str, Any] = {"operator": operator, "math": math, "torch": torch}


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
        for name, tensor in tensors.items():
            *path, leaf = name.split(".")
            owner: nn.Module = self
            for step in path:
                if not hasattr(owner, step):
                    owner.add_module(step, nn.Module())
                owner = getattr(owner, step)
            if name in buffers or not tensor.is_floating_point():
                owner.register_buffer(leaf, tensor)
            else:
                owner.register_parameter(leaf, nn.Parameter(tensor))
        for name, array in graph.constants.items():
            self.register_buffer(f"_{name}", torch.from_numpy(np.array(array)), persistent=False)
        self._functions = _functions(graph)

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
