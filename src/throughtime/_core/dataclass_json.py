"""Dataclasses out of JSON, whose values have the types that their fields say."""

from __future__ import annotations

import math
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Value = TypeVar("Value")


def dataclass_from_json(kind: type[Value], values: Any) -> Value:
    """Make a dataclass of the names and values that `dataclasses.asdict` gave and JSON kept.

    Raises:
        ValueError: for a value of another type, or a number that is not finite.
        TypeError: for a name that there is not, or one that is missing.
    """
    if not isinstance(values, dict):
        raise TypeError(f"{kind.__name__}: expected names and values, got {str(values)[:40]!r}")
    hints = get_type_hints(kind)
    return kind(**{name: _check_value(f"{kind.__name__}, {name}", hints.get(name), v) for name, v in values.items()})


def _check_value(name: str, hint: Any, value: Any) -> Any:
    """Return the value, lists as tuples where they were."""
    origin = get_origin(hint)
    if origin in (list, tuple) and isinstance(value, list):
        inner = get_args(hint)[0]
        return origin(_check_value(name, inner, item) for item in value)
    if not _matches_hint(hint, value):
        raise ValueError(f"{name}: expected {getattr(hint, '__name__', hint)}, got {str(value)[:40]!r}")
    return value


def _matches_hint(hint: Any, value: Any) -> bool:
    """Return whether a value is of a type; types that JSON does not have are left to the dataclass to check."""
    if isinstance(hint, UnionType):
        return any(_matches_hint(inner, value) for inner in get_args(hint))
    if get_origin(hint) in (list, tuple):
        return False
    if hint is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if hint in (int, bool, str, NoneType):
        return type(value) is hint
    return True
