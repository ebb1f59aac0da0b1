"""Elements of SVG as escaped text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterable


def tag(name: str, *children: str, **attributes: str | float) -> Markup:
    """Return an element. `class_` becomes class, other underscores become hyphens, and numbers are rounded."""
    text = Markup("").join(
        Markup(' {}="{}"').format(
            key.rstrip("_").replace("_", "-"), format_length(value) if isinstance(value, float) else value
        )
        for key, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, text, Markup("").join(children))


def path(points: Iterable[tuple[float, float]], *, closed: bool = False) -> str:
    """Return the `d` of a path through points, interrupted at NaN."""
    commands, pen = [], "M"
    for x, y in points:
        if x != x or y != y:  # noqa: PLR0124 - NaN
            pen = "M"
            continue
        commands.append(f"{pen}{format_length(x)} {format_length(y)}")
        pen = "L"
    return "".join(commands) + ("Z" if closed else "")


def format_length(value: float) -> str:
    """Return a length with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0")
