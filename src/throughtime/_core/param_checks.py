"""Checks of constructor parameters that the estimators share. Each names the parameter, what is expected and the value.

All of them raise `InputError`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable


def check_int(name: str, value: Any, minimum: int = 1) -> None:
    """Raise for anything but an integer of at least `minimum`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < minimum:
        raise InputError(f"{name}: expected a whole number of {minimum} or more, got {value!r}")


def check_seed(value: Any) -> None:
    """Raise for anything that scikit-learn does not take as `random_state`."""
    if value is None or isinstance(value, np.random.RandomState):
        return
    check_int("random_state", value, 0)
    if value >= 2**32:
        raise InputError(f"random_state: expected a whole number below 2**32, got {value}")


def check_bool(name: str, value: Any) -> None:
    """Raise for anything but True and False."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name}: expected True or False, got {value!r}")


def check_positive(name: str, value: Any) -> None:
    """Raise for anything but a finite number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < math.inf:
        raise InputError(f"{name}: expected a number above 0, got {value!r}")


def check_non_negative(name: str, value: Any) -> None:
    """Raise for anything but a finite number of at least 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < math.inf:
        raise InputError(f"{name}: expected a number of 0 or more, got {value!r}")


def check_fraction(name: str, value: Any) -> None:
    """Raise for anything but a number of at least 0 and less than 1."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < 1:
        raise InputError(f"{name}: expected a number of 0 or more and less than 1, got {value!r}")


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Raise for anything but one of the choices."""
    choices = list(choices)
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")
