"""Docstrings keep Markdown's formulas, which read well in a terminal; Sphinx wants its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def translate(_app: Sphinx, _what: str, _name: str, _object: Any, _options: Any, lines: list[str]) -> None:
    """Turn $$…$$ into math blocks and $…$ into math roles, in place."""
    text = "\n".join(lines)
    text = re.sub(r"^( *)\$\$(.+?)\$\$$", r"\1.. math:: \2\n", text, flags=re.MULTILINE)
    text = re.sub(r"\$([^$\n]+)\$", r":math:`\1`", text)
    lines[:] = text.split("\n")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the translation."""
    app.connect("autodoc-process-docstring", translate)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
