"""Element types as torch promotes them.

A tensor of the same or a higher category (bool, integer, floating point) decides before one without dimensions, and
that one before a number of Python. Within a category the wider type wins.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from throughtime.runtime.operators.limits import require_broadcast

_CATEGORIES = {"b": 0, "i": 1, "u": 1, "f": 2}
_NUMBERS = {bool: np.dtype(np.bool_), int: np.dtype(np.int64), float: np.dtype(np.float32)}


def promote(*operands: Any) -> list[np.ndarray]:
    """Return operands, arrays or numbers, as arrays of one element type. Their shapes broadcast.

    Raises:
        ValueError: for results that are too large.
        KeyError: for an operand that is not a number.
    """
    arrays = [x for x in operands if isinstance(x, np.ndarray)]
    if len(arrays) == len(operands) and all(x.dtype == arrays[0].dtype for x in arrays):
        dtype = arrays[0].dtype
    else:
        dtype = result_type(*operands)
    require_broadcast(arrays)
    return [np.asarray(x, dtype) for x in operands]


def result_type(*operands: Any) -> np.dtype[Any]:
    """Return the element type of what an operator computes from arrays and numbers."""
    arrays = [x for x in operands if isinstance(x, np.ndarray)]
    levels = (
        [x.dtype for x in arrays if x.ndim],
        [x.dtype for x in arrays if not x.ndim],
        [_NUMBERS[type(x)] for x in operands if not isinstance(x, np.ndarray)],
    )
    widest = [reduce(_wider, dtypes) for dtypes in levels if dtypes]
    return max(widest, key=_category)  # the first of the highest category


def as_float(x: Any) -> np.ndarray:
    """Return integers as float32, as torch takes them where a result is not an integer."""
    return x if isinstance(x, np.ndarray) and x.dtype.kind == "f" else np.asarray(x, np.float32)


def _category(dtype: np.dtype[Any]) -> int:
    return _CATEGORIES[dtype.kind]


def _wider(a: np.dtype[Any], b: np.dtype[Any]) -> np.dtype[Any]:
    if _category(a) != _category(b):
        return a if _category(a) > _category(b) else b
    return np.promote_types(a, b)
