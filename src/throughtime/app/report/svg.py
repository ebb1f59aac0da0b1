"""Elements of SVG as escaped text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterable


def tag(name: str, *children: str, **attributes: str | float) -> Markup:
    """An element. `class_` is written class, other underscores become hyphens, and numbers are rounded."""
    written = Markup("").join(
        Markup(' {}="{}"').format(
            key.rstrip("_").replace("_", "-"), number(value) if isinstance(value, float) else value
        )
        for key, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, Markup("").join(children))


def path(points: Iterable[tuple[float, float]], *, closed: bool = False) -> str:
    """The `d` of a path through points; points that are no numbers interrupt it."""
    parts, pen = [], "M"
    for x, y in points:
        if x != x or y != y:  # noqa: PLR0124 - NaN
            pen = "M"
            continue
        parts.append(f"{pen}{number(x)} {number(y)}")
        pen = "L"
    return "".join(parts) + ("Z" if closed else "")


def number(value: float) -> str:
    """A length in as few characters as a picture needs."""
    return f"{value:.1f}".removesuffix(".0")
