"""Measure how the code is built: `python -m tools.structure [--root DIR] [--json] [--before FILE] [--repeats]`.

Counts files, functions, docstrings, comments, import cycles, words of tools/words.toml, type checks of a BPTT strategy
and repeated blocks. DIR may be another checkout, so that one script measures two commits; FILE holds the figures of the
earlier one:

    git worktree add ../before COMMIT
    python -m tools.structure --root ../before --json > before.json
    python -m tools.structure --before before.json
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import re
import statistics
import tokenize
from pathlib import Path
from typing import TYPE_CHECKING

from tools import words
from tools.imports import ImportGraph
from tools.repeats import LEAST, repeated_blocks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_STRATEGY = re.compile(r"\w*BPTT\b")
_FOR_TOOLS = re.compile(r"# (noqa|type:|pyright:|fmt:)")
_CPP_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, default=words.ROOT, metavar="DIR", help="checkout to measure")
    parser.add_argument("--json", action="store_true", help="print one object instead of a table")
    parser.add_argument("--before", type=Path, metavar="FILE", help="print a Markdown table with the figures of FILE")
    parser.add_argument("--repeats", action="store_true", help="list the repeated blocks too")
    options = parser.parse_args()
    root = options.root.resolve()
    figures = measure(root)
    if options.before:
        print(_comparison(json.loads(options.before.read_text(encoding="utf-8")), figures))
    else:
        print(json.dumps(figures, indent=1) if options.json else _table(figures))
    if options.repeats:
        for block in repeated_blocks({**_files(root, "src", ".py"), **_files(root, "csrc", ".hpp", ".cpp")}):
            print(f"{block.file}:{block.first}-{block.last}")


def measure(root: Path) -> dict[str, float]:
    """Return the figures of a checkout, by their names."""
    package, tests = _files(root, "src", ".py"), _files(root, "tests", ".py")
    cpp, headers = _files(root, "csrc", ".hpp", ".cpp"), _files(root, "csrc", ".hpp")
    prose = {**package, **tests, **cpp, **_files(root, "docs", ".md"), **_files(root, ".", "README.md", "CHANGELOG.md")}
    cycles = ImportGraph.of(root / "src" / "throughtime").cycles
    return {
        **_sizes("package", package),
        **_sizes("tests", tests),
        **_sizes("C++", cpp),
        **_python_figures(package),
        "C++ headers: comment lines, %": _percent(map(_cpp_comment_lines, headers.values()), headers),
        "import cycles": len(cycles),
        "import cycles: modules in them": sum(map(len, cycles)),
        "words of the list": sum(1 for name, text in prose.items() for _ in words.find(name, text)),
        **_repeat_figures("Python", package),
        **_repeat_figures("C++", cpp),
    }


def _files(root: Path, folder: str, *suffixes: str) -> dict[str, str]:
    pattern = "*" if folder == "." else "**/*"
    paths = sorted(path for path in (root / folder).glob(pattern) if path.name.endswith(suffixes))
    return {str(p.relative_to(root)): p.read_text(encoding="utf-8") for p in paths if "_build" not in p.parts}


def _sizes(name: str, texts: Mapping[str, str]) -> dict[str, float]:
    lines = [_line_count(text) for text in texts.values()]
    return {
        f"{name}: files": len(texts),
        f"{name}: lines": sum(lines),
        f"{name}: lines of a file, median": statistics.median(lines),
        f"{name}: files above 400 lines": sum(count > 400 for count in lines),
    }


def _line_count(text: str) -> int:
    return sum(bool(line.strip()) for line in text.splitlines())


def _percent(counts: Iterable[int], texts: Mapping[str, str]) -> float:
    return round(100 * sum(counts) / sum(map(_line_count, texts.values())), 1)


def _python_figures(package: Mapping[str, str]) -> dict[str, float]:
    trees = [ast.parse(text) for text in package.values()]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    lengths = sorted(n.end_lineno - n.lineno + 1 for n in nodes if isinstance(n, ast.FunctionDef) and n.end_lineno)
    return {
        "package: functions": len(lengths),
        "package: lines of a function, median": statistics.median(lengths),
        "package: lines of a function, 90th percentile": lengths[int(0.9 * len(lengths))],
        "package: docstrings": sum(bool(_docstring_lines(node)) for node in nodes),
        "package: docstring lines, %": _percent(map(_docstring_lines, nodes), package),
        "package: comment lines, %": _percent(map(_comment_lines, package.values()), package),
        "package: type checks of a strategy": sum(map(_is_strategy_check, nodes)),
    }


def _docstring_lines(node: ast.AST) -> int:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) or ast.get_docstring(node) is None:
        return 0
    return (node.body[0].end_lineno or 0) - node.body[0].lineno + 1


def _comment_lines(text: str) -> int:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return sum(token.type == tokenize.COMMENT and not _FOR_TOOLS.match(token.string) for token in tokens)


def _cpp_comment_lines(text: str) -> int:
    return sum(match[0].count("\n") + 1 for match in _CPP_COMMENT.finditer(text))


def _is_strategy_check(node: ast.AST) -> bool:
    if isinstance(node, ast.MatchClass):
        return bool(_STRATEGY.search(ast.unparse(node.cls)))
    is_check = isinstance(node, ast.Call) and ast.unparse(node.func) == "isinstance"
    return is_check and bool(_STRATEGY.search(ast.unparse(node)))


def _repeat_figures(name: str, texts: Mapping[str, str]) -> dict[str, float]:
    blocks = repeated_blocks(texts)
    return {
        f"{name}: blocks of {LEAST} lines or more that are repeated": len(blocks),
        f"{name}: lines in repeated blocks": sum(block.last - block.first + 1 for block in blocks),
    }


def _table(figures: dict[str, float]) -> str:
    return "\n".join(f"{name:52} {value:>8}" for name, value in figures.items())


def _comparison(before: dict[str, float], after: dict[str, float]) -> str:
    rows = (f"| {name} | {before[name]:,} | {value:,} |" for name, value in after.items())
    return "\n".join(["| figure | before | after |", "|---|---:|---:|", *rows])


if __name__ == "__main__":
    main()
