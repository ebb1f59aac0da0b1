"""Pages from templates, and charts that are drawn once for wide and once for narrow screens."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from throughtime import __version__
from throughtime._core.escaping import escape_controls
from throughtime.app.scores import format_score

if TYPE_CHECKING:
    from collections.abc import Callable

    from markupsafe import Markup

_HERE = Path(__file__).parent

WIDE, NARROW = 760, 350
"""Pixels of the width of a chart."""


class Picture(NamedTuple):
    """A chart for wide and for narrow screens."""

    wide: Markup
    narrow: Markup


def draw_both(draw: Callable[[int, int], Markup]) -> Picture:
    """Draw a chart for both widths."""
    return Picture(draw(WIDE, 270), draw(NARROW, 210))


def render(template: str, **contents: Any) -> str:
    """Return a page with its style sheets inside."""
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["score"] = format_score
    style = "".join((_HERE / name).read_text(encoding="utf-8") for name in ("chart.css", "page.css"))
    contents |= {"style": style, "policy": _security_policy(style), "version": __version__}
    return escape_controls(environment.get_template(template).render(**contents))


def _security_policy(style: str) -> str:
    """Return a content security policy that allows a page its own style sheet, and no requests or scripts."""
    digest = base64.b64encode(hashlib.sha256(f"\n{style}\n".encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; style-src-elem 'sha256-{digest}'; "
        "style-src-attr 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
    )
