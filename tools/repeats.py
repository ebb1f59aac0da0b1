"""Blocks of code that occur more than once: eight or more consecutive lines that differ only in indentation.

Imports, docstrings, comments and blank lines do not count.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

LEAST = 8  # lines of a block


class Block(NamedTuple):
    """A block that occurs again at another place."""

    file: str
    first: int
    last: int


def repeated_blocks(texts: Mapping[str, str]) -> list[Block]:
    """Return every block of files of Python or C++ that has a copy, with its first and last line."""
    positions: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    code = {name: _code(name, text) for name, text in texts.items()}
    for name, lines in code.items():
        for start in range(len(lines) - LEAST + 1):
            positions[tuple(line for _, line in lines[start : start + LEAST])].append((name, start))
    copies = sorted(position for equal in positions.values() if len(equal) > 1 for position in equal)
    blocks: list[Block] = []
    for name, start in copies:
        first, last = code[name][start][0], code[name][start + LEAST - 1][0]
        if blocks and blocks[-1].file == name and blocks[-1].last >= first:
            blocks[-1] = blocks[-1]._replace(last=last)
        else:
            blocks.append(Block(name, first, last))
    return blocks


def _code(name: str, text: str) -> list[tuple[int, str]]:
    lines = _python_code(text) if name.endswith(".py") else _cpp_code(text)
    return [(number, line.strip()) for number, line in lines if line.strip()]


def _python_code(text: str) -> list[tuple[int, str]]:
    skipped: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom) or (isinstance(node, ast.Expr) and _is_text(node.value)):
            skipped.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(text.splitlines(), 1)
    return [(n, line) for n, line in lines if n not in skipped and not line.strip().startswith("#")]


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _cpp_code(text: str) -> list[tuple[int, str]]:
    code = re.sub(r"//[^\n]*|/\*.*?\*/", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.DOTALL)
    return [(n, line) for n, line in enumerate(code.splitlines(), 1) if not line.startswith("#")]
