"""JSON from anyone: bounded in depth and in the length of numbers, each key once."""

from __future__ import annotations

import json
from typing import Any

MAX_DEPTH = 100
"""Levels of lists and objects."""

_MAX_DIGITS = 100  # digits


def parse(content: bytes) -> Any:
    """Read JSON in UTF-8.

    Raises:
        ValueError: says what is wrong.
    """
    try:
        value = json.loads(content.decode(), object_pairs_hook=_object_without_duplicates, parse_int=_bounded_integer)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels") from None
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Refuse lists and objects that are nested too deeply.

    Raises:
        ValueError: says how deep they may be.
    """
    level, depth = [value], 0
    while level := [inner for item in level for inner in _children(item)]:
        depth += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")


def _children(value: Any) -> Any:
    """Return what is in a list or an object."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} occurs twice")
    return values


def _bounded_integer(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise ValueError(f"a number has {len(digits):,} digits")
    return int(digits)
