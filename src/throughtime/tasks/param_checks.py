"""Checks of what users set, shared by the estimators of sequences."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime._core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable


def check_int(name: str, value: Any, minimum: int = 1) -> None:
    """Refuse what is no whole number, or too small."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer) or value < minimum:
        raise InputError(f"{name}: expected a whole number of {minimum} or more, got {value!r}")


def check_seed(value: Any) -> None:
    """Refuse what is no seed."""
    check_int("random_state", value, 0)
    if value >= 2**63:
        raise InputError(f"random_state: expected a whole number below 2**63, got {value}")


def check_bool(name: str, value: Any) -> None:
    """Refuse what is neither true nor false."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name}: expected True or False, got {value!r}")


def check_positive(name: str, value: Any) -> None:
    """Refuse what is no number above 0."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 < value < math.inf:
        raise InputError(f"{name}: expected a number above 0, got {value!r}")


def check_non_negative(name: str, value: Any) -> None:
    """Refuse what is no number of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < math.inf:
        raise InputError(f"{name}: expected a number of 0 or more, got {value!r}")


def check_fraction(name: str, value: Any) -> None:
    """Refuse what is no number from 0 up to, but without, 1."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not 0 <= value < 1:
        raise InputError(f"{name}: expected a number of 0 or more and less than 1, got {value!r}")


def check_choice(name: str, value: Any, known: Iterable[str]) -> None:
    """Refuse what is none of the names."""
    known = list(known)
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{name}: expected one of {', '.join(known)}, got {value!r}")
