"""The table of operators that a graph may hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

Table = dict[str, "Callable[..., Any]"]

OPERATORS: Table = {}
"""Functions of numpy by the name of the operator in torch, such as `aten.addcmul.default`."""


def decorator_of(table: Table) -> Callable[..., Callable[[Callable[..., Any]], Callable[..., Any]]]:
    """Return a decorator that puts the function of operators of `aten` into a table.

    Its arguments are their names; one without a dot is that of the default overload.
    """

    def register(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            for name in names:
                operator = f"aten.{name}" if "." in name else f"aten.{name}.default"
                if operator in table:
                    raise ValueError(f"{operator}: expected one function for an operator, got a second one")
                table[operator] = function
            return function

        return decorate

    return register


register = decorator_of(OPERATORS)
"""Decorate the numpy function of operators."""
