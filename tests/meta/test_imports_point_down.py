"""The layers of the house: a module imports what stands below it, and nothing above."""

from __future__ import annotations

import ast
from fnmatch import fnmatch
from importlib.util import resolve_name
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import throughtime

if TYPE_CHECKING:
    from collections.abc import Iterator

# From the ground up; a module belongs to the first layer that has a pattern for it.
LAYERS = (
    ("throughtime._kernels", "throughtime._kernels.*"),
    ("throughtime._[!_]*",),  # the core
    ("throughtime.nn", "throughtime.nn.*"),
    ("throughtime.io", "throughtime.io.*", "throughtime.runtime"),
    ("throughtime.data", "throughtime.data.*"),
    ("throughtime.training", "throughtime.training.*"),
    ("throughtime.tasks", "throughtime.tasks.*"),
    # The root, which names everything, and its first user: the application takes the public names as anybody does.
    ("throughtime", "throughtime.__main__", "throughtime.app", "throughtime.app.*"),
)
BELOW_ALL = {"throughtime.__version__"}

PACKAGE = Path(throughtime.__file__).parent


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_nothing_from_above(module: str) -> None:
    upward = {target for target in imports_of(module) if level_of(target) > level_of(module)}
    assert not upward, f"{module} imports from a layer above its own: {', '.join(sorted(upward))}"


def level_of(module: str) -> int:
    levels = [level for level, patterns in enumerate(LAYERS) if any(fnmatch(module, p) for p in patterns)]
    assert levels, f"{module} stands in no layer: give it one in LAYERS"
    return levels[0]


def imports_of(module: str) -> Iterator[str]:
    """Every module of the package that a module imports: at its top, in a function or for the type checker alone."""
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        for target in _targets(node, package):
            if target.partition(".")[0] == "throughtime" and target not in BELOW_ALL:
                yield target


def _targets(node: ast.AST, package: str) -> Iterator[str]:
    match node:
        case ast.Import(names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(source, names, level):
            origin = resolve_name("." * level + (source or ""), package) if level else source or ""
            for alias in names:
                inner = f"{origin}.{alias.name}"
                yield inner if inner in MODULES or inner in BELOW_ALL else origin
        case ast.Call(ast.Name("import_module") | ast.Attribute(attr="import_module"), [ast.Constant(str(name)), *_]):
            yield name
        case _:
            pass
