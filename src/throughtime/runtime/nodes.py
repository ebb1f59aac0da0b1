"""What a graph is made of: references to values, applications of operators, and inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(name) for name in ("float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")
}
"""Element types of values, by their names in torch."""

SCAN = "throughtime.scan.default"
"""All steps of a recurrent layer that has a compiled kernel. Its cell is in `Graph.cells`."""
LOOP = "higher_order.scan"
"""Any other loop over time: (cell, initial states, sequences, other values), where the cell is one of `Graph.cells`."""


class Value(NamedTuple):
    """A reference to a value of the graph, among the arguments of a node."""

    name: str


class Node(NamedTuple):
    """One operator, applied.

    Attributes:
        name: of the result.
        operator: its name in torch.
        arguments: by position; a `Value` is a reference.
        keywords: arguments by name.
    """

    name: str
    operator: str
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    def values(self) -> Iterator[Value]:
        """Return the values that the operator reads."""
        yield from _values((self.arguments, tuple(self.keywords.values())))


class Input(NamedTuple):
    """An input of a graph.

    Attributes:
        name: of the value.
        dtype: name of the element type.
        shape: sizes; a name for a size that is free, the same for equal ones.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


def resolve(argument: Any, values: Mapping[str, Any]) -> Any:
    """Return an argument, or several, with values in place of references."""
    return map_leaves(lambda leaf: values[leaf.name] if isinstance(leaf, Value) else leaf, argument)


def map_leaves(function: Callable[[Any], Any], argument: Any) -> Any:
    """Return an argument, or several, with what a function returns for each reference and each constant."""
    if isinstance(argument, tuple | list) and not isinstance(argument, Value):
        return [map_leaves(function, item) for item in argument]
    if isinstance(argument, dict):
        return {name: map_leaves(function, item) for name, item in argument.items()}
    return function(argument)


def needed_nodes(nodes: Sequence[Node], outputs: Iterable[str]) -> list[Node]:
    """Return the nodes that outputs depend on, in their order."""
    needed, kept = {*outputs}, []
    for node in reversed(nodes):
        if node.name in needed:
            kept.append(node)
            needed.update(value.name for value in node.values())
    return kept[::-1]


def _values(argument: Any) -> Iterator[Value]:
    if isinstance(argument, Value):
        yield argument
    elif isinstance(argument, tuple | list):
        for item in argument:
            yield from _values(item)
