"""A network as a graph of operators: what a trained model is outside of torch.

A graph is data: named inputs, nodes in the order of their evaluation, and named outputs. A node applies one operator,
named as in torch (`aten.addcmul.default`), to values, which are inputs, weights, constants, and the results of earlier
nodes. A recurrent layer is one node, `throughtime.scan.default`, whatever the number of steps (`higher_order.scan` for
one that no kernel runs); the step of its cell is a graph of its own. `throughtime.io.capture` makes graphs from
modules, `throughtime.runtime.graph_evaluation` computes them with numpy. The form in JSON, with all there is:

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
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.runtime.graph_evaluation import BoundGraph
from throughtime.runtime.nodes import DTYPES, LOOP, SCAN, Input, Node, Value
from throughtime.runtime.operators import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_NODES = 100_000
_MAX_CONSTANT = 1_000_000  # elements of a constant


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
            raise InputError(f"nodes: expected {_MAX_NODES:,} at most, got {len(self.nodes):,}")
        defined: set[str] = set()
        for name in (*(i.name for i in self.inputs), *self.weights, *self.constants):
            self._add(defined, name)
        for node in self.nodes:
            if node.operator not in OPERATORS and node.operator not in (SCAN, LOOP):
                raise InputError(f"node {node.name}: unknown operator {node.operator!r}")
            for value in node.values():
                if value.name not in defined:
                    raise InputError(f"node {node.name}: unknown value {value.name!r}")
            self._add(defined, node.name)
        missing = [name for name in self.outputs.values() if name not in defined]
        if missing or not self.outputs:
            raise InputError(f"outputs: expected values of the graph, got {missing or 'none'}")

    @staticmethod
    def _add(defined: set[str], name: str) -> None:
        if name in defined:
            raise InputError(f"the value {name!r} occurs twice")
        defined.add(name)

    def bind(self, weights: Mapping[str, np.ndarray]) -> BoundGraph:
        """Return the graph with the weights of a model, ready to be called.

        Args:
            weights: arrays by their name in the model.

        Raises:
            InputError: for a weight that is missing.
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
            InputError: says what is wrong.
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
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise InputError(f"the graph is damaged: {error!r}") from error


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
        raise InputError(f"input {entry['name']!r}: expected an element type and sizes")
    return Input(_name(entry["name"]), entry["dtype"], shape)


def _decode_constant(entry: Any) -> np.ndarray:
    data, shape = _decode(entry["data"]), tuple(entry["shape"])
    if len(data) > _MAX_CONSTANT or not all(type(size) is int and size >= 0 for size in shape):
        raise InputError(f"a constant is larger than {_MAX_CONSTANT:,} elements, or has impossible sizes")
    return np.array(data, DTYPES[entry["dtype"]]).reshape(shape)


def _name(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a name, got {str(value)[:40]}")
    return value
