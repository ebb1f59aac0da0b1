"""The stub of the compiled module is written by hand, and says what the module holds: no more, no less."""

from __future__ import annotations

import ast
from pathlib import Path

from nanobind.stubgen import StubGen

from throughtime import _kernels


def test_the_stub_names_what_the_module_holds() -> None:
    stub = Path(_kernels.__file__).with_name("_engine.pyi").read_text(encoding="utf-8")
    assert interface(stub) == interface(generated())


def generated() -> str:
    assert _kernels._engine is not None, "the compiled kernels could not be loaded"
    generator = StubGen(_kernels._engine)
    generator.put(_kernels._engine)
    return generator.get()


def interface(stub: str) -> dict[str, list[str]]:
    """The arguments of every function, method and property, by its dotted name."""
    return dict(sorted(_functions(ast.parse(stub), "")))


def _functions(node: ast.Module | ast.ClassDef, prefix: str) -> list[tuple[str, list[str]]]:
    items = []
    for item in node.body:
        if isinstance(item, ast.ClassDef):
            items += _functions(item, f"{prefix}{item.name}.")
        elif isinstance(item, ast.FunctionDef):
            arguments = [a.arg for a in (*item.args.posonlyargs, *item.args.args, *item.args.kwonlyargs)]
            items.append((f"{prefix}{item.name}", arguments))
    return items
