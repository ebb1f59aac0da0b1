"""Pages from templates, and pictures that are drawn once for a desk and once for a phone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from throughtime import __version__
from throughtime.app.scores import written

if TYPE_CHECKING:
    from collections.abc import Callable

    from markupsafe import Markup

_HERE = Path(__file__).parent

WIDE, NARROW = 760, 350
"""Pixels that a picture is drawn for."""


class Picture(NamedTuple):
    """One picture, drawn for wide and for narrow screens."""

    wide: Markup
    narrow: Markup


def both(draw: Callable[[int, int], Markup]) -> Picture:
    """Draw for both widths."""
    return Picture(draw(WIDE, 270), draw(NARROW, 210))


def render(template: str, **contents: Any) -> str:
    """A page with its style sheets inside."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["score"] = written
    style = "".join((_HERE / name).read_text(encoding="utf-8") for name in ("chart.css", "page.css"))
    return environment.get_template(template).render(style=style, version=__version__, **contents)
