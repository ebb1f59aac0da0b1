"""Bounds of what a graph may compute: graphs come from anyone, and a few nodes could ask for any memory and time.

A call may hold and compute many times its inputs and weights, and somewhat more; the bound counts elements, not bytes.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BASE = 2**24  # elements that any call may hold
_PER_INPUT, _PER_WEIGHT = 4096, 64  # elements for each element of the inputs, and of the weights
_WORK = 64  # computed elements for each that may be held
_NODE = 1000  # elements that cost as much as the evaluation of a node


class Budget:
    """What is left of the elements that a call may compute.

    Args:
        inputs: elements of the inputs.
        weights: elements of the weights.
    """

    def __init__(self, inputs: int, weights: int) -> None:
        self.max_elements = _BASE + _PER_INPUT * inputs + _PER_WEIGHT * weights
        self._work = _WORK * self.max_elements

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Bound the evaluation of graphs and the results of operators."""
        token = _budget.set(self)
        try:
            yield
        finally:
            _budget.reset(token)

    def spend(self, result: Any) -> None:
        """Subtract the evaluation of a node.

        Raises:
            ValueError: where nothing is left.
        """
        self._work -= _NODE + (result.size if isinstance(result, np.ndarray) else 0)
        if self._work < 0:
            raise ValueError("it computes too much for inputs of this size")


_budget: ContextVar[Budget] = ContextVar("budget")


_SMALL = Budget(0, 0)


def current_budget() -> Budget:
    """Return that of the call that is running."""
    return _budget.get(_SMALL)


def require_size(*sizes: int) -> None:
    """Refuse a result of too many elements.

    Raises:
        ValueError: says how many may be.
    """
    if math.prod(sizes) > current_budget().max_elements:
        raise ValueError(f"a result of {' x '.join(map(str, sizes))} elements is too large for inputs of this size")


def require_broadcast(arrays: Sequence[np.ndarray]) -> None:
    """Refuse arrays whose shapes broadcast to too many elements.

    Raises:
        ValueError: says how many may be.
    """
    if len(arrays) > 1 and any(x.shape != arrays[0].shape for x in arrays):
        require_size(*np.broadcast_shapes(*(x.shape for x in arrays)))
