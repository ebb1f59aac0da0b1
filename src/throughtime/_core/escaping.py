"""Text from data and files, made safe to show: characters that command a terminal are written out instead.

A series may be called `ESC [2J`, which clears the screen, or hold a mark that turns the direction of writing round, so
that what is shown is not what is there.
"""

from __future__ import annotations

import json
import re

# C0 without tab and newline, delete and C1; marks, overrides and isolates of direction; separators of lines and
# paragraphs; halves of surrogate pairs, which no terminal can be sent.
_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_COMMANDS_AND_LINES = re.compile(_COMMANDS.pattern[:-1] + "\t\n]")


def escape_controls(text: str) -> str:
    """Return a text in which such characters are written out as in Python's strings. Tabs and newlines stay."""
    return _COMMANDS.sub(_escape, text)


def escape_line(text: str) -> str:
    """Return the same with tabs and newlines written out too, so that a name stays within its line."""
    return _COMMANDS_AND_LINES.sub(_escape, text)


def escape_json(text: str) -> str:
    """Return JSON in which they are escaped as JSON has it: what is read from it is the same."""
    return _COMMANDS.sub(lambda match: json.dumps(match[0]).strip('"'), text)


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
