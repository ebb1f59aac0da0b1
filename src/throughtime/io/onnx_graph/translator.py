"""The translation of a graph to ONNX: one small function an operator, by its name in torch.

Next to every value stands a sample, the value for example inputs as numpy computes it. It says the element type and the
number of dimensions, which operators of ONNX need to know and graphs do not hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from throughtime._core.errors import InputError
from throughtime.runtime.nodes import SCAN, Value, resolve
from throughtime.runtime.operators.element_types import result_type
from throughtime.runtime.operators.registry import decorator_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from throughtime.runtime.graph import Graph
    from throughtime.runtime.nodes import Node

Translation = "Callable[..., Any]"
TRANSLATIONS: dict[str, Any] = {}
"""Functions by the name of the operator: (translator, *arguments, **keywords) -> name or names in ONNX."""


class Ref(NamedTuple):
    """A value of the graph.

    Attributes:
        name: in ONNX.
        sample: an array, or a whole number for a size.
        constant: the array, where it is always the same.
    """

    name: str
    sample: Any
    constant: np.ndarray | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The element type."""
        return np.asarray(self.sample).dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return np.ndim(self.sample)


translates = decorator_of(TRANSLATIONS)
"""Decorate the translation of operators."""


class Translator:
    """Nodes and constants of an ONNX graph, each under the name of what it computes.

    Args:
        onnx: the package.
        prefix: of all names, so that bodies of loops have their own.
    """

    def __init__(self, onnx: Any, prefix: str = "") -> None:
        self.onnx = onnx
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}
        self.cells: Mapping[str, Graph] = {}
        self.prefix = prefix
        self._count = 0

    def new_name(self, of: str) -> str:
        """Return a name that nothing has yet."""
        self._count += 1
        return f"{self.prefix}{of}_{self._count}"

    def add(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Apply an operator of ONNX. Return the name of its output, or a list of several."""
        names = [self.new_name(operator.lower()) for _ in range(outputs)]
        node = self.onnx.helper.make_node(operator, inputs, names, name=self.new_name("node"), **attributes)
        self.nodes.append(node)
        return names[0] if outputs == 1 else names

    def constant(self, value: Any, dtype: Any = np.int64, name: str = "") -> str:
        """Hold an array. Return its name."""
        name = name or self.new_name("constant")
        self.constants[name] = self.onnx.numpy_helper.from_array(np.ascontiguousarray(np.asarray(value, dtype)), name)
        if np.ndim(value) == 0:  # ascontiguousarray gives it a dimension
            self.constants[name] = self.onnx.numpy_helper.from_array(np.asarray(value, dtype), name)
        return name

    def kind(self, dtype: Any) -> int:
        """Return the element type as ONNX counts them."""
        return self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def cast(self, value: Any, dtype: Any) -> str:
        """Return a value, or a number, in an element type."""
        if not isinstance(value, Ref):
            return self.constant(value, dtype)
        if value.dtype == dtype:
            return value.name
        return self.add("Cast", value.name, to=self.kind(dtype))

    def promote(self, *values: Any) -> tuple[list[str], np.dtype[Any]]:
        """Return values and numbers in the element type that torch computes with, and that type."""
        dtype = self.result_type(*values)
        return [self.cast(value, dtype) for value in values], dtype

    def result_type(self, *values: Any) -> np.dtype[Any]:
        """Return the element type that torch computes with."""
        return result_type(*(value.sample if isinstance(value, Ref) else value for value in values))

    def as_float(self, value: Ref) -> str:
        """Return integers as float32."""
        return value.name if value.dtype.kind == "f" else self.cast(value, np.float32)

    def sizes(self, sizes: Sequence[Any]) -> str:
        """Return sizes, some of them values, as one vector."""
        if not any(isinstance(size, Ref) for size in sizes):
            return self.constant([*sizes])
        parts = [
            self.add("Reshape", size.name, self.constant([1])) if isinstance(size, Ref) else self.constant([size])
            for size in sizes
        ]
        return self.add("Concat", *parts, axis=0)

    def size(self, value: Ref, axis: int) -> str:
        """Return a size of a value as a vector of one."""
        axis %= value.ndim
        return self.add("Shape", value.name, start=axis, end=axis + 1)

    def number(self, value: Any) -> str:
        """Return a whole number as a vector of one."""
        return self.sizes([value])

    def shape(self, value: Ref) -> str:
        """Return the sizes of a value."""
        return self.add("Shape", value.name)

    def translate(self, graph: Graph, values: dict[str, Any], compute: Callable[[Node, Any, Any], Any]) -> list[Ref]:
        """Add the nodes of a graph, and return its outputs.

        Args:
            graph: of operators.
            values: its inputs, weights and constants.
            compute: returns the result of a node for samples.

        Raises:
            InputError: for an operator that ONNX does not have.
        """
        self.cells = graph.cells
        for node in _needed(graph):
            arguments, keywords = resolve(node.arguments, values), resolve(node.keywords, values)
            sample = compute(node, _samples(arguments), _samples(keywords))
            if node.operator == "operator.getitem":
                values[node.name] = arguments[0][arguments[1]]
                continue
            translation = TRANSLATIONS.get(node.operator)
            if translation is None:
                raise InputError(f"the operator {node.operator} has no counterpart in ONNX here")
            names = translation(self, *arguments, **keywords)
            fixed = _is_constant((arguments, keywords))  # then the sample is the value
            values[node.name] = (
                [Ref(name, item, item if fixed else None) for name, item in zip(names, sample, strict=False)]
                if isinstance(names, list)
                else Ref(names, sample, sample if fixed else None)
            )
        return [values[value] for value in graph.outputs.values()]


def _samples(argument: Any) -> Any:
    if isinstance(argument, Ref):
        return argument.sample
    if isinstance(argument, list | tuple):
        return [_samples(item) for item in argument]
    if isinstance(argument, dict):
        return {name: _samples(item) for name, item in argument.items()}
    return argument


def _is_constant(argument: Any) -> bool:
    """Return whether no input of the graph is among arguments."""
    if isinstance(argument, Ref):
        return argument.constant is not None
    if isinstance(argument, dict):
        return all(map(_is_constant, argument.values()))
    return all(map(_is_constant, argument)) if isinstance(argument, list | tuple) else True


def _needed(graph: Graph) -> list[Node]:
    """Return the nodes that the outputs depend on, without the order of lengths, which ONNX does not read."""
    needed, kept = {*graph.outputs.values()}, []
    for node in reversed(graph.nodes):
        if node.name in needed:
            if node.operator == SCAN and len(node.arguments[3]) > 1:
                tables, present = node.arguments[3], node.arguments[6]
                node = node._replace(  # noqa: PLW2901
                    arguments=(
                        *node.arguments[:3],
                        tables[:1],
                        *node.arguments[4:6],
                        [present[0], False, False],
                        *node.arguments[7:],
                    )
                )
            kept.append(node)
            needed.update(value.name for value in node.values())
    return kept[::-1]


__all__ = ["TRANSLATIONS", "Ref", "Translator", "Value", "translates"]
