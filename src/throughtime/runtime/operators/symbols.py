"""Operators of sizes: whole numbers that are not known before a call."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, Any

from throughtime.runtime.operators.registry import OPERATORS, register

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

_MAX = 2**62


def _of_numbers(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function for numbers alone, of results that stay small."""

    def call(*numbers: Any) -> Any:
        if not all(isinstance(x, int | float) for x in numbers):
            raise TypeError("expected numbers")
        result = function(*numbers)
        if abs(result) > _MAX:
            raise OverflowError("a size is too large")
        return result

    return call


for _name in ("add", "sub", "mul", "floordiv", "mod", "truediv", "neg", "lt", "le", "gt", "ge", "eq", "ne"):
    OPERATORS[f"operator.{_name}"] = _of_numbers(getattr(operator, _name))
for _name, _function in {"sym_max": max, "sym_min": min, "sym_not": operator.not_, "sym_float": float}.items():
    OPERATORS[f"torch.{_name}"] = _of_numbers(_function)
for _name in ("ceil", "floor", "trunc"):
    OPERATORS[f"math.{_name}"] = _of_numbers(getattr(math, _name))


def _item(values: Any, index: int) -> Any:
    if not isinstance(values, list | tuple) or not isinstance(index, int):
        raise TypeError("expected several results and a position")
    return values[index]


OPERATORS["operator.getitem"] = _item


@register("sym_size.int")
def _size(x: np.ndarray, axis: int) -> int:
    return x.shape[axis]


@register("sym_numel")
def _count(x: np.ndarray) -> int:
    return x.size
