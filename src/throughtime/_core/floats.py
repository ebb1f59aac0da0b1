"""Numbers of Python as floating-point numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from jaxtyping import Float


def to_float(number: Any) -> float:
    """Return a number in 64 bits; whole numbers beyond their range are infinite, as in text.

    Raises:
        TypeError: for what is not a number.
        ValueError: for text that is none.
    """
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, 1 if number > 0 else -1)


def to_floats(numbers: Iterable[Any]) -> Float[np.ndarray, "T"]:
    """Return numbers in 64 bits, NaN for None."""
    return np.array([math.nan if number is None else to_float(number) for number in numbers], dtype=np.float64)
