"""The import graph of a package, and its cycles.

Imports inside functions count like those at the top of a module. Imports for the type checker never run, so they are
not part of a cycle.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from importlib.util import resolve_name
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path


@dataclass(frozen=True)
class ImportGraph:
    """The modules of a package by their dotted names.

    Attributes:
        files: path of each module.
    """

    files: Mapping[str, Path]

    @classmethod
    def of(cls, package: Path) -> ImportGraph:
        """Read the modules of the package in a directory."""
        return cls({_module_name(path, package): path for path in sorted(package.rglob("*.py"))})

    def imports(self, module: str, *, for_types: bool = True) -> Iterator[str]:
        """Yield what a module imports: modules of the package, and modules or names outside of it."""
        is_package = self.files[module].name == "__init__.py"
        package = module if is_package else module.rpartition(".")[0]
        tree = ast.parse(self.files[module].read_text(encoding="utf-8"))
        for node in _nodes(tree, for_types=for_types):
            yield from self._targets(node, package)

    def _targets(self, node: ast.AST, package: str) -> Iterator[str]:
        match node:
            case ast.Import(names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(source, names, level):
                origin = resolve_name("." * level + (source or ""), package) if level else source or ""
                for alias in names:
                    inner = f"{origin}.{alias.name}"
                    yield inner if inner in self.files else origin
            case ast.Call(
                ast.Name("import_module") | ast.Attribute(attr="import_module"), [ast.Constant(str(name)), *_]
            ):
                yield name
            case _:
                pass

    @cached_property
    def cycles(self) -> list[list[str]]:
        """Groups of modules that import one another, directly or through others."""
        edges = {name: set(self.imports(name, for_types=False)) & self.files.keys() - {name} for name in self.files}
        return sorted(sorted(group) for group in _strongly_connected(edges) if len(group) > 1)


def _module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _nodes(node: ast.AST, *, for_types: bool) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if for_types or not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from _nodes(child, for_types=for_types)


def _strongly_connected(edges: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components. Source: Tarjan 1972, Depth-first search and linear graph algorithms."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    components: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = lowest[node] = len(index)
        stack.append(node)
        for target in edges[node]:
            if target not in index:
                visit(target)
            if target in stack:
                lowest[node] = min(lowest[node], lowest[target])
        if lowest[node] == index[node]:
            first = stack.index(node)
            components.append(stack[first:])
            del stack[first:]

    for node in edges:
        if node not in index:
            visit(node)
    return components
