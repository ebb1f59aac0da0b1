"""A saved custom module, called with arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from throughtime._core.errors import InputError
from throughtime.runtime.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

_MAX_DEPTH = 20


class GraphNetwork:
    """A network that is called as the module that was saved, with arrays in place of tensors.

    Args:
        graph: what it computes.
        structure: of what it returns, with numbers of outputs in place of tensors.
        weights: arrays by name.

    Raises:
        InputError: where they do not fit together.
    """

    def __init__(self, graph: Graph, structure: Any, weights: Mapping[str, np.ndarray]) -> None:
        check_structure(structure, graph)
        self._bound, self._structure = graph.bind(weights), structure
        self.graph = graph

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs, in the order of a call."""
        return [i.name for i in self.graph.inputs]

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Return what the module returned, for inputs in their order or by name.

        Raises:
            InputError: for inputs that do not fit.
        """
        outputs = self._bound(**name_inputs(self.input_names, inputs, named))
        return fill_structure(self._structure, [*outputs.values()])

    @classmethod
    def from_config(cls, config: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> GraphNetwork:
        """Read the configuration of a model directory."""
        return cls(Graph.from_json(config["graphs"]["forward"]), config["module"]["structure"], weights)


def name_inputs(names: Sequence[str], inputs: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """Return the inputs of a call by name.

    Raises:
        InputError: for more than there are, and for one that comes twice.
    """
    by_name = dict(zip(names, inputs, strict=False))
    if len(inputs) > len(names) or by_name.keys() & named.keys():
        raise InputError(f"expected the inputs {', '.join(names)}, each once, got {len(inputs)} and {', '.join(named)}")
    return by_name | dict(named)


def fill_structure(structure: Any, outputs: Sequence[Any]) -> Any:
    """Return outputs in tuples and dicts as the structure says."""
    if isinstance(structure, dict):
        return {name: fill_structure(value, outputs) for name, value in structure.items()}
    if isinstance(structure, list):
        return tuple(fill_structure(value, outputs) for value in structure)
    return None if structure is None else outputs[structure]


def check_structure(structure: Any, graph: Graph, depth: int = 0) -> None:
    """Refuse a structure of other outputs than those of a graph.

    Raises:
        InputError: says what is expected.
    """
    is_number = type(structure) is int and 0 <= structure < len(graph.outputs)
    if structure is None or is_number:
        return
    if not isinstance(structure, dict | list) or depth == _MAX_DEPTH:
        raise InputError("structure: expected the numbers of the outputs of the graph, in lists and objects")
    for value in structure.values() if isinstance(structure, dict) else structure:
        check_structure(value, graph, depth + 1)
