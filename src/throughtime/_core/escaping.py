"""Text from data and files, with control characters escaped, so that it is safe to show.

A series may have the name `ESC [2J`, which clears a terminal, or hold a mark that reverses the direction of writing, so
that the text shown differs from the text stored.
"""

from __future__ import annotations

import json
import re

# C0 without tab and newline, delete and C1; marks, overrides and isolates of direction; separators of lines and
# paragraphs; halves of surrogate pairs, which cannot be encoded.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_CONTROLS_AND_LINES = re.compile(_CONTROLS.pattern[:-1] + "\t\n]")


def escape_controls(text: str) -> str:
    """Return a text with control characters escaped as in Python's strings, all but tabs and newlines."""
    return _CONTROLS.sub(_escape, text)


def escape_line(text: str) -> str:
    """Return a text with control characters escaped, tabs and newlines too, so that a name stays within its line."""
    return _CONTROLS_AND_LINES.sub(_escape, text)


def escape_json(text: str) -> str:
    """Return JSON with control characters escaped by the rules of JSON: parsing it gives the same values."""
    return _CONTROLS.sub(lambda match: json.dumps(match[0]).strip('"'), text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
