"""From the graph of one step to the statements of a C function.

Every value of the graph is an array of addresses of numbers, so that operators that only move numbers (slices, chunks,
stacks, transpositions) run as they are in numpy, on addresses, and cost nothing. What depends on weights alone is
computed here. Four kinds of statements remain: a product with a matrix, a loop over units, a normalization, a copy.
Pointwise operators that follow one another become one loop.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.io.c_export.expressions import POINTWISE
from throughtime.runtime.nodes import LOOP, SCAN, Node, resolve
from throughtime.runtime.operators import OPERATORS
from throughtime.runtime.scan import restore_none

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from throughtime.runtime.graph import Graph

_MOVES = {
    *("alias", "clone", "contiguous", "detach", "expand", "flatten.using_ints", "flip", "movedim.int", "narrow"),
    *("permute", "reshape", "select.int", "slice.Tensor", "squeeze", "squeeze.dim", "squeeze.dims", "t"),
    *("transpose.int", "unflatten.int", "unsqueeze", "view", "_unsafe_view"),
    *("cat", "concat", "stack", "chunk", "split.Tensor", "split_with_sizes", "unbind.int"),
}
_SAME = frozenset({"aten.to.dtype", "aten._to_copy.default", "aten.dropout.default"})


@dataclass
class Buffer:
    """Contiguous numbers.

    Attributes:
        name: in C.
        size: count of numbers.
        base: address of the first one.
    """

    name: str
    size: int
    base: int

    @property
    def addresses(self) -> np.ndarray:
        """The address of each number."""
        return np.arange(self.base, self.base + self.size)


@dataclass
class Span:
    """Numbers of a buffer, from an offset on; or one number that is repeated."""

    buffer: Buffer
    offset: int
    repeated: bool = False


@dataclass
class Product:
    """y = bias + weight x.

    Attributes:
        target: y.
        weight: (R, K).
        bias: of each row.
        x: K numbers.
        initial: what the bias is in place of an array: another product.
    """

    target: Buffer
    weight: np.ndarray
    bias: np.ndarray | None
    x: Span
    initial: Buffer | None = None


@dataclass
class Normalization:
    """y = (x - mean) / sqrt(variance + epsilon)."""

    target: Buffer
    x: Span
    epsilon: float


@dataclass
class Assignment:
    """One line of a loop: a temporary variable, and where it is stored.

    Attributes:
        name: of the variable.
        operator: in the graph.
        operands: spans, names of variables, arrays and numbers.
        result: is written where something reads it after the loop.
        offset: of the first number in the result.
    """

    name: str
    operator: str
    operands: list[Any]
    result: Buffer
    offset: int = 0


@dataclass
class Loop:
    """Assignments for each unit."""

    size: int
    lines: list[Assignment] = field(default_factory=list)


@dataclass
class Copy:
    """Numbers copied from one place to another."""

    target: Buffer
    offset: int
    x: Span
    size: int


Statement = Product | Normalization | Loop | Copy


@dataclass
class Program:
    """The statements of a step.

    Attributes:
        inputs: buffer of x.
        output: buffer of y.
        states: buffers by the name of the state.
        statements: in their order.
    """

    inputs: Buffer
    output: Buffer
    states: dict[str, Buffer]
    statements: list[Statement]


def lower(graph: Graph, weights: Mapping[str, np.ndarray], states: Mapping[str, int]) -> Program:
    """Return the statements of a graph of one step.

    Args:
        graph: from `x` and all numbers of the states to `y` and the new states.
        weights: arrays by their name in the graph.
        states: count of numbers of each state, by name.

    Raises:
        InputError: names an operator that has no translation.
    """
    return _Lowering(graph, weights, states).program


class _Lowering:
    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray], states: Mapping[str, int]) -> None:
        self._cells = graph.cells
        self._buffers: list[Buffer] = []
        self._statements: list[Statement] = []
        self._next = 0
        shape = [size for size in graph.inputs[0].shape if isinstance(size, int)]
        inputs = self._buffer("x", int(np.prod(shape)))
        by_state = {name: self._buffer(name, size) for name, size in states.items()}
        old = np.concatenate([buffer.addresses for buffer in by_state.values()])
        arrays = inputs.addresses.reshape(shape), old
        values: dict[str, Any] = {i.name: _Addresses(array) for i, array in zip(graph.inputs, arrays, strict=True)}
        values |= {value: weights[name] for value, name in graph.weights.items()} | graph.constants
        self._run(graph.nodes, values)
        results = {name: values[value] for name, value in graph.outputs.items()}
        output = self._buffer("y", results["y"].array.size)
        self._store(results["y"], output)
        kept = {name: self._copied(results[name], old) for name in states}
        for name in states:  # after the last statement that reads the old ones
            self._store(kept[name], by_state[name])
        self.program = Program(inputs, output, by_state, self._statements)

    def _run(self, nodes: Sequence[Node], values: dict[str, Any]) -> None:
        for node in nodes:
            arguments, keywords = resolve(node.arguments, values), resolve(node.keywords, values)
            values[node.name] = self._value(node.operator, arguments, keywords)

    def _value(self, operator: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        if operator == SCAN:
            return self._scan(*arguments)
        if operator == LOOP:
            return self._loop(*arguments)
        if not any(map(_is_variable, [*arguments, *keywords.values()])):
            return OPERATORS[operator](*arguments, **keywords)
        if operator in _SAME:
            return arguments[0]
        if operator == "operator.getitem":
            return arguments[0][arguments[1]]
        if operator.removeprefix("aten.").removesuffix(".default") in _MOVES:
            return self._move(operator, arguments, keywords)
        if operator in POINTWISE:
            return self._pointwise(operator, [*arguments, *keywords.values()])
        function = _FUNCTIONS.get(operator)
        if function is None:
            raise InputError(f"export to C: the operator {operator} has no translation to C")
        return function(self, *arguments, **keywords)

    def _scan(
        self, x: Any, state: list[Any], weights: list[Any], tables: list[Any], kernel: str, present: list[bool], *_: Any
    ) -> list[Any]:
        """Run one step of a recurrent layer by the graph of its cell."""
        assert not tables
        fields: list[Any] = restore_none(weights, present)
        weight_ih, weight_hh, bias_ih, bias_hh, diagonal, _ = fields
        hidden = weight_hh.shape[1]
        cell = self._cells[f"{kernel} {hidden}"]
        values: dict[str, Any] = {
            "x": self.linear(_Addresses(x.array.reshape(1, -1)), weight_ih, bias_ih),
            "weight_hh": weight_hh,
            "bias_hh": np.zeros(len(weight_hh), np.float32) if bias_hh is None else bias_hh,
            "diagonal": np.zeros((0, hidden), np.float32) if diagonal is None else diagonal,
        }
        values |= {f"state_{i}": _Addresses(s.array.reshape(1, -1)) for i, s in enumerate(state)}
        values |= cell.constants
        self._run(cell.nodes, values)
        new = [_Addresses(values[name].array.reshape(1, 1, -1)) for name in cell.outputs.values()]
        return [new[0], *new]

    def _loop(self, name: str, state: list[Any], sequences: list[Any], others: Sequence[Any] = ()) -> list[Any]:
        """Run one step of a loop by its graph."""
        cell = self._cells[name]
        if any(len(s.array if isinstance(s, _Addresses) else s) != 1 for s in sequences):
            raise InputError("export to C: expected a network that reads one step at a time")
        inputs = [*state, *(self._value("aten.select.int", [s, 0, 0], {}) for s in sequences), *others]
        values = dict(zip([i.name for i in cell.inputs], inputs, strict=True)) | cell.constants
        self._run(cell.nodes, values)
        results = [values[value] for value in cell.outputs.values()]
        stacked = (self._value("aten.unsqueeze.default", [result, 0], {}) for result in results[len(state) :])
        return [*results[: len(state)], *stacked]

    def _move(self, operator: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        """Move addresses; a constant among them is stored first."""
        plain = [self._plain(argument) for argument in arguments]
        return _wrap(OPERATORS[operator](*plain, **keywords))

    def _plain(self, argument: Any) -> Any:
        if isinstance(argument, _Addresses):
            return argument.array
        if isinstance(argument, list) and any(isinstance(item, _Addresses) for item in argument):
            if not all(isinstance(item, _Addresses) for item in argument):
                raise InputError("export to C: a constant joined with a variable has no translation to C")
            return [item.array for item in argument]
        return argument

    def _pointwise(self, operator: str, operands: list[Any]) -> Any:
        shape = np.broadcast_shapes(*(o.array.shape if isinstance(o, _Addresses) else np.shape(o) for o in operands))
        size = int(np.prod(shape))
        flat = [_flat(operand, shape) for operand in operands]
        loop = self._statements[-1] if self._statements else None
        if not isinstance(loop, Loop) or loop.size != size or not all(self._fits(o, loop) for o in flat):
            flat = [_Addresses(self._contiguous(o.array)) if isinstance(o, _Addresses) else o for o in flat]
            loop = Loop(size)
            self._statements.append(loop)
        read = [self._operand(o, loop) if isinstance(o, _Addresses) else o for o in flat]
        result = self._buffer(f"v{len(self._buffers)}", size)
        loop.lines.append(Assignment(result.name, operator, read, result))
        return _Addresses(result.addresses.reshape(shape))

    def _fits(self, operand: Any, loop: Loop) -> bool:
        """Return whether a loop, the last statement so far, can read an operand."""
        if not isinstance(operand, _Addresses) or isinstance(self._operand(operand, loop), str):
            return True
        within = any(np.isin(operand.array, line.result.addresses).any() for line in loop.lines)
        return not within and self._is_contiguous(operand.array)

    def _operand(self, operand: Any, loop: Loop) -> Any:
        """Return the variable of a line of a loop, or the span of a buffer."""
        for line in loop.lines:
            if (operand.array == line.result.addresses).all():
                return line.name
        buffer = self._buffer_of(int(operand.array[0]))
        first, last = operand.array[0] - buffer.base, operand.array[-1] - buffer.base
        return Span(buffer, int(first), repeated=bool(first == last and len(operand.array) > 1))

    def linear(self, x: Any, weight: np.ndarray, bias: np.ndarray | None = None) -> Any:
        """Return the product with a matrix of weights."""
        if not isinstance(weight, np.ndarray) or not (bias is None or isinstance(bias, np.ndarray)):
            raise InputError("export to C: a product of two variables has no translation to C")
        if x.array.size != x.array.shape[-1]:
            raise InputError("export to C: a product of a matrix with many vectors has no translation to C")
        target = self._buffer(f"v{len(self._buffers)}", len(weight))
        self._statements.append(Product(target, weight, bias, self._span(x.array.ravel())))
        return _Addresses(target.addresses.reshape(*x.array.shape[:-1], len(weight)))

    def addmm(self, bias: Any, x: Any, weight: Any) -> Any:
        """Return the product with a transposed matrix of weights, and a bias."""
        return self.linear(x, np.asarray(weight).T, np.asarray(bias))

    def mm(self, x: Any, weight: Any) -> Any:
        """Return the product with a transposed matrix of weights."""
        return self.linear(x, np.asarray(weight).T)

    def layer_norm(
        self, x: Any, sizes: list[int], weight: Any = None, bias: Any = None, epsilon: float = 1e-5, *_: Any
    ) -> Any:
        """Return a vector with a mean of zero and a variance of one, scaled and shifted."""
        if int(np.prod(sizes)) != x.array.size:
            raise InputError("export to C: a normalization of a part of the units has no translation to C")
        target = self._buffer(f"v{len(self._buffers)}", x.array.size)
        self._statements.append(Normalization(target, self._span(x.array.ravel()), epsilon))
        value: Any = _Addresses(target.addresses.reshape(x.array.shape))
        for operator, operand in (("aten.mul.Tensor", weight), ("aten.add.Tensor", bias)):
            value = value if operand is None else self._pointwise(operator, [value, operand])
        return value

    def _buffer(self, name: str, size: int) -> Buffer:
        buffer = Buffer(name, size, self._next)
        self._next += size
        self._buffers.append(buffer)
        return buffer

    def _span(self, addresses: np.ndarray) -> Span:
        """Return where the numbers of a vector lie."""
        addresses = self._contiguous(addresses)
        buffer = self._buffer_of(int(addresses[0]))
        return Span(buffer, int(addresses[0]) - buffer.base)

    def _contiguous(self, addresses: np.ndarray) -> np.ndarray:
        """Return the addresses of numbers, copied together where they are not contiguous."""
        if self._is_contiguous(addresses):
            return addresses
        target = self._buffer(f"v{len(self._buffers)}", len(addresses))
        self._store(_Addresses(addresses), target)
        return target.addresses

    def _is_contiguous(self, addresses: np.ndarray) -> bool:
        """Return whether numbers are contiguous in one buffer, or one and the same."""
        steps = np.diff(addresses)
        buffer = self._buffer_of(int(addresses[0]))
        return bool(((steps == 1).all() and addresses[-1] < buffer.base + buffer.size) or (steps == 0).all())

    def _buffer_of(self, address: int) -> Buffer:
        return next(b for b in self._buffers if b.base <= address < b.base + b.size)

    def _copied(self, value: Any, addresses: np.ndarray) -> Any:
        """Return a value that has none of some addresses: copied, where it has."""
        if not np.isin(value.array, addresses).any():
            return value
        target = self._buffer(f"v{len(self._buffers)}", value.array.size)
        self._store(value, target)
        return _Addresses(target.addresses.reshape(value.array.shape))

    def _store(self, value: Any, target: Buffer) -> None:
        """Copy runs of numbers to where they belong."""
        addresses = value.array.ravel()
        ends = [b.base for b in self._buffers]
        breaks = [0, *(np.flatnonzero((np.diff(addresses) != 1) | np.isin(addresses[1:], ends)) + 1), len(addresses)]
        for start, end in pairwise(breaks):
            buffer = self._buffer_of(int(addresses[start]))
            span = Span(buffer, int(addresses[start]) - buffer.base)
            self._statements.append(Copy(target, int(start), span, int(end - start)))


@dataclass
class _Addresses:
    """A value that is known when the code runs: the address of each of its numbers."""

    array: np.ndarray


_FUNCTIONS: dict[str, Any] = {
    "aten.linear.default": _Lowering.linear,
    "aten.addmm.default": _Lowering.addmm,
    "aten.mm.default": _Lowering.mm,
    "aten.layer_norm.default": _Lowering.layer_norm,
}


def _flat(operand: Any, shape: tuple[int, ...]) -> Any:
    """Return an operand of a loop as addresses, an array, or a number."""
    if isinstance(operand, _Addresses):
        return _Addresses(np.broadcast_to(operand.array, shape).ravel())
    if isinstance(operand, np.ndarray):
        array = np.broadcast_to(operand, shape).ravel()
        return float(array[0]) if (array == array[0]).all() else np.ascontiguousarray(array, np.float32)
    return operand


def _wrap(value: Any) -> Any:
    return [_Addresses(item) for item in value] if isinstance(value, list) else _Addresses(value)


def _is_variable(argument: Any) -> bool:
    if isinstance(argument, list):
        return any(map(_is_variable, argument))
    return isinstance(argument, _Addresses)
