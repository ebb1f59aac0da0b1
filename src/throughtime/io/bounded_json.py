"""JSON from anyone: bounded in depth and in the length of numbers, each key once."""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 100
"""Levels of lists and objects."""

_LONGEST_INTEGER = 100  # digits


def parse(content: bytes) -> Any:
    """Read JSON in UTF-8.

    Raises:
        ValueError: says what is wrong.
    """
    try:
        value = json.loads(content.decode(), object_pairs_hook=_unique, parse_int=_integer)
    except RecursionError:
        raise ValueError(f"it is nested deeper than {DEEPEST} levels") from None
    check_depth(value)
    return value


def check_depth(value: Any) -> None:
    """Refuse lists and objects that are nested too deeply.

    Raises:
        ValueError: says how deep they may be.
    """
    level, depth = [value], 0
    while level := [inner for item in level for inner in _items(item)]:
        depth += 1
        if depth > DEEPEST:
            raise ValueError(f"it is nested deeper than {DEEPEST} levels")


def _items(value: Any) -> Any:
    """What is in a list or an object."""
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} occurs twice")
    return values


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:
        raise ValueError(f"a number has {len(digits):,} digits")
    return int(digits)
