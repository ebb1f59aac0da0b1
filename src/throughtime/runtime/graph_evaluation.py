"""The evaluation of a graph with numpy."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError
from throughtime.runtime.nodes import DTYPES, LOOP, SCAN, resolve
from throughtime.runtime.operators import OPERATORS, Budget
from throughtime.runtime.operators.limits import current_budget
from throughtime.runtime.scan import loop, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from throughtime.runtime.graph import Graph
    from throughtime.runtime.nodes import Input, Node

_LOOPS: dict[str, Callable[..., Any]] = {SCAN: scan, LOOP: loop}
_FAILURES = (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError)


class BoundGraph:
    """A graph with its weights, called with arrays.

    Args:
        graph: of operators.
        weights: arrays by their name in the model.

    Raises:
        InputError: for a weight that is missing.
    """

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray]) -> None:
        missing = [name for name in graph.weights.values() if name not in weights]
        if missing:
            raise InputError(f"expected the weight {missing[0]!r}, which is missing")
        self.graph = graph
        self._fixed = {value: np.asarray(weights[name]) for value, name in graph.weights.items()} | graph.constants
        self._weight_elements = sum(array.size for array in self._fixed.values())
        self._cells = {name: cell.bind({}) for name, cell in graph.cells.items()}
        self._calls = [self.function_of(node) for node in graph.nodes]
        self._unused_after = _last_uses(graph)

    def __call__(self, **inputs: Any) -> dict[str, np.ndarray]:
        """Evaluate the graph.

        Args:
            inputs: arrays by the name of the input.

        Returns:
            The outputs by name.

        Raises:
            InputError: for inputs that are missing or unknown, for other element types and shapes, and for values that
                an operator refuses, such as the number of a token that is too large.
        """
        arrays = check_inputs(self.graph.inputs, inputs)
        budget = Budget(sum(array.size for array in arrays.values()), self._weight_elements)
        with budget.applied():
            return self.evaluate(arrays)

    def evaluate(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the outputs for inputs that fit, within what is left of the budget."""
        budget = current_budget()
        values: dict[str, Any] = self._fixed | inputs
        node: Node | None = None
        try:
            with np.errstate(all="ignore"):  # as torch does: what is infinite or NaN says so itself
                for node, call, unused in zip(self.graph.nodes, self._calls, self._unused_after, strict=True):
                    result = call(*resolve(node.arguments, values), **resolve(node.keywords, values))
                    if isinstance(result, np.generic):
                        result = np.asarray(result)
                    budget.spend(result)
                    values[node.name] = result
                    for name in unused:
                        del values[name]
        except InputError:
            raise
        except _FAILURES as error:
            assert node is not None
            reason = str(error) or type(error).__name__
            raise InputError(f"the model's operator {node.operator} ({node.name}) fails: {reason}") from error
        return {name: np.asarray(values[value]) for name, value in self.graph.outputs.items()}

    def function_of(self, node: Node) -> Callable[..., Any]:
        """Return what computes a node from its arguments."""
        if node.operator in _LOOPS:
            return partial(_LOOPS[node.operator], self._cells)
        return OPERATORS[node.operator]


def check_inputs(expected: Sequence[Input], inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return the inputs of a call as arrays of the expected element types.

    Raises:
        InputError: names the input, what was expected of it, and what came.
    """
    names = [i.name for i in expected]
    for name in [*(n for n in names if n not in inputs), *(n for n in inputs if n not in names)]:
        state = "missing" if name in names else "unknown"
        raise InputError(f"expected the inputs {', '.join(names)}, and {name!r} is {state}")
    sizes: dict[str, int] = {}
    arrays = {}
    for name, dtype, shape in expected:
        try:
            array = np.asarray(inputs[name])
        except ValueError as error:
            raise InputError(f"{name}: expected an array of {dtype}: {error}") from error
        if not np.can_cast(array.dtype, DTYPES[dtype], "same_kind"):
            raise InputError(f"{name}: expected {dtype}, got {array.dtype}")
        fits = array.ndim == len(shape) and all(
            size == (sizes.setdefault(free, size) if isinstance(free, str) else free)
            for size, free in zip(array.shape, shape, strict=True)
        )
        if not fits:
            required = ", ".join(f"{s} = {sizes[s]}" if s in sizes else str(s) for s in shape)
            raise InputError(f"{name}: expected the shape ({required}), got {array.shape}")
        with np.errstate(over="ignore"):
            arrays[name] = array.astype(DTYPES[dtype], copy=False)
    return arrays


def _last_uses(graph: Graph) -> list[list[str]]:
    """Return, for each node, the results that no later node reads."""
    kept = {*graph.outputs.values(), *graph.weights, *graph.constants}
    unused: list[list[str]] = []
    for node in reversed(graph.nodes):
        names = dict.fromkeys(v.name for v in node.values())
        names[node.name] = None
        unused.append([name for name in names if name not in kept])
        kept.update(names)
    return unused[::-1]
