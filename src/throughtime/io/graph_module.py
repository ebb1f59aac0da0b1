"""A graph of operators as a module of torch: what `throughtime.load` returns for a module of one's own."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from throughtime._core.errors import InputError
from throughtime.nn._notebook import NotebookReprMixin
from throughtime.runtime.nodes import SCAN, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from throughtime.runtime.graph import Graph, Node


class GraphModule(NotebookReprMixin):
    """Evaluates a graph with the operators of torch, so that its weights can be trained further.

    Parameters and buffers have the names that they had in the module that was captured. What the graph does is what
    that module did in evaluation: there is no dropout.

    Args:
        graph: with its inputs, outputs and operators.
        tensors: weights by name.
        buffers: names of those that are not trained.

    Raises:
        ValueError: for a weight that is missing.
    """

    def __init__(self, graph: Graph, tensors: Mapping[str, Tensor], buffers: frozenset[str] = frozenset()) -> None:
        super().__init__()
        missing = [name for name in graph.weights.values() if name not in tensors]
        if missing:
            raise ValueError(f"expected the weight {missing[0]!r}, which is missing")
        self.graph = graph
        for name, tensor in tensors.items():
            *path, leaf = name.split(".")
            owner: nn.Module = self
            for part in path:
                if not hasattr(owner, part):
                    owner.add_module(part, nn.Module())
                owner = getattr(owner, part)
            if name in buffers or not tensor.is_floating_point():
                owner.register_buffer(leaf, tensor)
            else:
                owner.register_parameter(leaf, nn.Parameter(tensor))
        for name, array in graph.constants.items():
            self.register_buffer(f"_{name}", torch.from_numpy(np.array(array)), persistent=False)
        self._calls = [_torch_operator(node) for node in graph.nodes]

    def forward(self, *inputs: Tensor, **named: Tensor) -> Any:
        """Return the output, or a tuple of the outputs, for the inputs of the graph in their order or by name."""
        names = [i.name for i in self.graph.inputs]
        values: dict[str, Any] = dict(zip(names, inputs, strict=False)) | named
        if len(inputs) + len(named) != len(names) or values.keys() != set(names):
            given = [*names[: len(inputs)], *named]
            raise InputError(f"expected the inputs {', '.join(names)}, got {', '.join(given) or 'none'}")
        values |= {value: self.get_buffer(f"_{value}") for value in self.graph.constants}
        for value, name in self.graph.weights.items():
            path, _, leaf = name.rpartition(".")
            values[value] = getattr(self.get_submodule(path), leaf)
        for node, call in zip(self.graph.nodes, self._calls, strict=True):
            values[node.name] = call(*_resolve(node.arguments, values), **_resolve(node.keywords, values))
        outputs = tuple(values[value] for value in self.graph.outputs.values())
        return outputs[0] if len(outputs) == 1 else outputs


def _torch_operator(node: Node) -> Callable[..., Any]:
    """Return the function of a node. Its name is one of those that a graph accepts."""
    if node.operator == SCAN:
        from throughtime._core import operators  # noqa: F401  registers it

    library, name, *overload = node.operator.split(".")
    if library == "operator":
        return getattr(operator, name)
    packet = getattr(getattr(torch.ops, library), name)
    return getattr(packet, overload[0])


def _resolve(argument: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(argument, Value):
        return values[argument.name]
    if isinstance(argument, tuple | list):
        return [_resolve(item, values) for item in argument]
    if isinstance(argument, dict):
        return {name: _resolve(item, values) for name, item in argument.items()}
    if isinstance(argument, np.dtype):
        return getattr(torch, str(argument))
    return argument
