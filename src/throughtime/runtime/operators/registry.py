"""The table of operators that a graph may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

OPERATORS: dict[str, Callable[..., Any]] = {}
"""Functions of numpy by the name of the operator in torch, such as `aten.addcmul.default`."""


def register(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate the function of operators of `aten`; a name without a dot is that of the default overload."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in names:
            OPERATORS[f"aten.{name}" if "." in name else f"aten.{name}.default"] = function
        return function

    return decorate
