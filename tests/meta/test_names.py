"""One word has one meaning, and a module is not shadowed by what its package exports."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

from tools.imports import ImportGraph

import throughtime

GRAPH = ImportGraph.of(Path(throughtime.__file__).parent)


def parse(module: str) -> ast.Module:
    return ast.parse(GRAPH.files[module].read_text(encoding="utf-8"))


def test_no_two_classes_have_one_name() -> None:
    modules = defaultdict(set)
    for module in GRAPH.files:
        for node in ast.walk(parse(module)):
            if isinstance(node, ast.ClassDef):
                modules[node.name.lstrip("_")].add(module)
    assert not {name: sorted(where) for name, where in modules.items() if len(where) > 1}


def test_no_name_that_a_package_exports_hides_a_module_of_it() -> None:
    hidden = []
    for package in [module for module, path in GRAPH.files.items() if path.name == "__init__.py"]:
        for node in ast.walk(parse(package)):
            if isinstance(node, ast.ImportFrom) and node.module != package:
                names = [f"{package}.{alias.asname or alias.name}" for alias in node.names]
                hidden += [name for name in names if name in GRAPH.files]
    assert not hidden
