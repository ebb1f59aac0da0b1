"""A network as a graph of operators: what a trained model is outside of torch.

A graph is data: named inputs, nodes in the order of their evaluation, and named outputs. A node applies one operator,
named as in torch (`aten.addcmul.default`), to values, which are inputs, weights, constants, and the results of earlier
nodes. A recurrent layer is one node, `throughtime.scan.default`, whatever the number of steps; the step of its cell is
a graph of its own. `throughtime.io.capture` makes graphs from modules, and this file evaluates them with numpy. Its
form in JSON, with all there is:

    {"inputs": [{"name": "x", "dtype": "float32", "shape": ["N", "T", 3]}],
     "weights": {"w": "output.weight"},
     "constants": {"c_0": {"dtype": "float32", "shape": [2], "data": [0.0, 1.0]}},
     "nodes": [{"name": "y_0", "operator": "aten.linear.default", "arguments": [{"value": "x"}, {"value": "w"}]}],
     "outputs": [{"name": "y", "value": "y_0"}],
     "cells": {"gru tanh 32 8": {…}}}

An argument is a number, a string, a boolean, null, a list of arguments, {"value": name}, {"dtype": name}, or
{"float": "inf"} for a number that JSON cannot hold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from throughtime.runtime.operators import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

DTYPES: dict[str, np.dtype[Any]] = {
    name: np.dtype(name) for name in ("float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool")
}
"""Element types of values, by their names in torch."""

SCAN = "throughtime.scan.default"
_MAX_NODES = 100_000
_MAX_CONSTANT = 1_000_000  # elements of a constant


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


@dataclass(frozen=True)
class Graph:
    """A network as operators.

    Attributes:
        inputs: in the order of a call.
        outputs: the value of each output, by its name.
        nodes: in the order of evaluation.
        weights: the name of each weight in the model, by the name of its value.
        constants: other arrays, by the name of their value.
        cells: the graph of one step, for each kind of recurrent layer.
    """

    inputs: tuple[Input, ...]
    outputs: dict[str, str]
    nodes: tuple[Node, ...]
    weights: dict[str, str] = field(default_factory=dict)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    cells: dict[str, Graph] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.nodes) > _MAX_NODES:
            raise ValueError(f"nodes: expected {_MAX_NODES:,} at most, got {len(self.nodes):,}")
        known: set[str] = set()
        for name in (*(i.name for i in self.inputs), *self.weights, *self.constants):
            self._add(known, name)
        for node in self.nodes:
            if node.operator not in OPERATORS and node.operator != SCAN:
                raise ValueError(f"node {node.name}: unknown operator {node.operator!r}")
            for value in _values((node.arguments, tuple(node.keywords.values()))):
                if value.name not in known:
                    raise ValueError(f"node {node.name}: unknown value {value.name!r}")
            self._add(known, node.name)
        missing = [name for name in self.outputs.values() if name not in known]
        if missing or not self.outputs:
            raise ValueError(f"outputs: expected values of the graph, got {missing or 'none'}")

    @staticmethod
    def _add(known: set[str], name: str) -> None:
        if name in known:
            raise ValueError(f"the value {name!r} occurs twice")
        known.add(name)

    def bind(self, weights: Mapping[str, np.ndarray]) -> BoundGraph:
        """Return the graph with the weights of a model, ready to be called.

        Args:
            weights: arrays by their name in the model.

        Raises:
            ValueError: for a weight that is missing.
        """
        return BoundGraph(self, weights)

    def to_json(self) -> dict[str, Any]:
        """Return the graph as JSON can hold it."""
        nodes = []
        for node in self.nodes:
            entry = {"name": node.name, "operator": node.operator, "arguments": _encode(list(node.arguments))}
            nodes.append(entry | ({"keywords": _encode(node.keywords)} if node.keywords else {}))
        constants = {
            name: {"dtype": str(array.dtype), "shape": list(array.shape), "data": _encode(array.ravel().tolist())}
            for name, array in self.constants.items()
        }
        return {
            "inputs": [{"name": i.name, "dtype": i.dtype, "shape": list(i.shape)} for i in self.inputs],
            "weights": self.weights,
            "constants": constants,
            "nodes": nodes,
            "outputs": [{"name": name, "value": value} for name, value in self.outputs.items()],
            "cells": {name: graph.to_json() for name, graph in self.cells.items()},
        }

    @classmethod
    def from_json(cls, content: Any) -> Graph:
        """Read what `to_json` has written; nothing in it is trusted.

        Raises:
            ValueError: says what is wrong.
        """
        try:
            return cls(
                tuple(map(_decode_input, content["inputs"])),
                {_name(output["name"]): _name(output["value"]) for output in content["outputs"]},
                tuple(map(_decode_node, content["nodes"])),
                {_name(value): _name(weight) for value, weight in content["weights"].items()},
                {_name(value): _decode_constant(array) for value, array in content["constants"].items()},
                {_name(name): cls.from_json(graph) for name, graph in content["cells"].items()},
            )
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise ValueError(f"the graph is damaged: {error!r}") from error


class BoundGraph:
    """A graph with its weights, called with arrays.

    Args:
        graph: of operators.
        weights: arrays by their name in the model.

    Raises:
        ValueError: for a weight that is missing.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray]) -> None:
        missing = [name for name in graph.weights.values() if name not in weights]
        if missing:
            raise ValueError(f"expected the weight {missing[0]!r}, which is missing")
        self.graph = graph
        self._fixed = {value: np.asarray(weights[name]) for value, name in graph.weights.items()} | graph.constants
        self._cells = {name: cell.bind({}) for name, cell in graph.cells.items()}
        self._calls = [self._call_of(node) for node in graph.nodes]
        self._unused_after = _last_uses(graph)

    def __call__(self, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        """Evaluate the graph.

        Args:
            inputs: arrays by the name of the input.

        Raises:
            ValueError: for inputs that are missing or unknown, and for other element types and shapes.
        """
        values: dict[str, Any] = self._fixed | check_inputs(self.graph.inputs, inputs)
        with np.errstate(all="ignore"):  # as torch does: what is infinite or NaN says so itself
            for node, call, unused in zip(self.graph.nodes, self._calls, self._unused_after, strict=True):
                values[node.name] = call(*_resolve(node.arguments, values), **_resolve(node.keywords, values))
                for name in unused:
                    del values[name]
        return {name: np.asarray(values[value]) for name, value in self.graph.outputs.items()}

    def _call_of(self, node: Node) -> Callable[..., Any]:
        if node.operator != SCAN:
            return OPERATORS[node.operator]
        from throughtime.runtime.scan import scan

        def call(*arguments: Any) -> Any:
            return scan(self._cells, *arguments)

        return call


def check_inputs(expected: Sequence[Input], inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the inputs of a call as arrays of the expected element types.

    Raises:
        ValueError: names the input, what was expected of it, and what came.
    """
    names = [i.name for i in expected]
    for name in [*(n for n in names if n not in inputs), *(n for n in inputs if n not in names)]:
        state = "missing" if name in names else "unknown"
        raise ValueError(f"expected the inputs {', '.join(names)}, and {name!r} is {state}")
    sizes: dict[str, int] = {}
    arrays = {}
    for name, dtype, shape in expected:
        array = np.asarray(inputs[name])
        if not np.can_cast(array.dtype, DTYPES[dtype], "same_kind"):
            raise ValueError(f"{name}: expected {dtype}, got {array.dtype}")
        fits = array.ndim == len(shape) and all(
            size == (sizes.setdefault(free, size) if isinstance(free, str) else free)
            for size, free in zip(array.shape, shape, strict=True)
        )
        if not fits:
            wanted = ", ".join(f"{s} = {sizes[s]}" if s in sizes else str(s) for s in shape)
            raise ValueError(f"{name}: expected the shape ({wanted}), got {array.shape}")
        arrays[name] = array.astype(DTYPES[dtype], copy=False)
    return arrays


def _resolve(argument: Any, values: Mapping[str, Any]) -> Any:
    """Replace references by values."""
    if isinstance(argument, Value):
        return values[argument.name]
    if isinstance(argument, tuple | list):
        return [_resolve(item, values) for item in argument]
    if isinstance(argument, dict):
        return {name: _resolve(item, values) for name, item in argument.items()}
    return argument


def _values(argument: Any) -> Iterator[Value]:
    if isinstance(argument, Value):
        yield argument
    elif isinstance(argument, tuple | list):
        for item in argument:
            yield from _values(item)


def _last_uses(graph: Graph) -> list[list[str]]:
    """Return, for each node, the results that no later node reads."""
    kept = {*graph.outputs.values(), *graph.weights, *graph.constants}
    unused: list[list[str]] = []
    for node in reversed(graph.nodes):
        names = dict.fromkeys(v.name for v in _values((node.arguments, tuple(node.keywords.values()))))
        names[node.name] = None
        unused.append([name for name in names if name not in kept])
        kept.update(names)
    return unused[::-1]


def _encode(argument: Any) -> Any:
    match argument:
        case Value(name):
            return {"value": name}
        case np.dtype():
            return {"dtype": str(argument)}
        case float() if not math.isfinite(argument):
            return {"float": str(argument)}
        case list() | tuple():
            return [_encode(item) for item in argument]
        case dict():
            return {name: _encode(item) for name, item in argument.items()}
        case _:
            return argument


def _decode(argument: Any) -> Any:
    match argument:
        case {"value": str(name)}:
            return Value(name)
        case {"dtype": str(name)}:
            return DTYPES[name]
        case {"float": "inf" | "-inf" | "nan" as text}:
            return float(text)
        case list():
            return [_decode(item) for item in argument]
        case None | bool() | int() | float() | str():
            return argument
        case _:
            raise ValueError(f"unknown argument of a node: {str(argument)[:40]}")


def _decode_node(entry: Any) -> Node:
    keywords = {_name(name): _decode(item) for name, item in entry.get("keywords", {}).items()}
    return Node(_name(entry["name"]), _name(entry["operator"]), tuple(_decode(list(entry["arguments"]))), keywords)


def _decode_input(entry: Any) -> Input:
    shape = tuple(entry["shape"])
    if entry["dtype"] not in DTYPES or not all(isinstance(s, str) or (type(s) is int and s >= 0) for s in shape):
        raise ValueError(f"input {entry['name']!r}: expected an element type and sizes")
    return Input(_name(entry["name"]), entry["dtype"], shape)


def _decode_constant(entry: Any) -> np.ndarray:
    data, shape = _decode(entry["data"]), tuple(entry["shape"])
    if len(data) > _MAX_CONSTANT or not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"a constant is larger than {_MAX_CONSTANT:,} elements, or has impossible sizes")
    return np.array(data, DTYPES[entry["dtype"]]).reshape(shape)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a name, got {str(value)[:40]}")
    return value
