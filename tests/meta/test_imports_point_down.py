"""The layers of the package: a module imports modules of its own layer and those below, without cycles."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest
from tools.imports import ImportGraph

import throughtime

# From the bottom up; a module belongs to the first layer that has a pattern for it.
LAYERS = (
    ("throughtime._kernels", "throughtime._kernels.*"),
    ("throughtime._core", "throughtime._core.*"),
    ("throughtime.nn", "throughtime.nn.*"),
    ("throughtime.io", "throughtime.io.*", "throughtime.runtime", "throughtime.runtime.*"),
    ("throughtime.data", "throughtime.data.*"),
    ("throughtime.inference", "throughtime.inference.*"),
    ("throughtime.training", "throughtime.training.*"),
    ("throughtime.tasks", "throughtime.tasks.*"),
    ("throughtime.serve", "throughtime.serve.*"),
    # The root names everything, and the application imports public names from it as any user does.
    ("throughtime", "throughtime.__main__", "throughtime.app", "throughtime.app.*"),
)
GRAPH = ImportGraph.of(Path(throughtime.__file__).parent)


@pytest.mark.parametrize("module", GRAPH.files)
def test_a_module_imports_nothing_from_above(module: str) -> None:
    targets = {target for target in GRAPH.imports(module) if target.partition(".")[0] == "throughtime"}
    upward = {target for target in targets if level_of(target) > level_of(module)}
    assert not upward, f"{module} imports from a layer above its own: {', '.join(sorted(upward))}"


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/structure.md"])
def test_a_page_lists_the_layers_from_the_top_down(page: str) -> None:
    text = (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
    folders = ["app", *(layer[0].removeprefix("throughtime.") for layer in reversed(LAYERS[:-1]))]
    listed = re.findall(rf"^(?:\| `)?({'|'.join(folders)})\b", text, re.MULTILINE)
    assert listed == folders


def test_no_modules_import_one_another() -> None:
    assert GRAPH.cycles == []


def level_of(module: str) -> int:
    levels = [level for level, patterns in enumerate(LAYERS) if any(fnmatch(module, p) for p in patterns)]
    assert levels, f"{module} is in no layer: add a pattern to LAYERS"
    return levels[0]


@pytest.mark.parametrize(
    ("source", "cycles"),
    [
        ("from package.b import f\n", [["package.a", "package.b"]]),
        ("def g():\n    from package.b import f\n", [["package.a", "package.b"]]),
        ("def g():\n    return importlib.import_module('package.b')\n", [["package.a", "package.b"]]),
        ("from . import b\n", [["package.a", "package.b"]]),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from package.b import f\n", []),
        ("import package.c\n", []),
    ],
)
def test_a_cycle_is_found_wherever_its_imports_are(source: str, cycles: list[list[str]], tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    modules = {"__init__": "", "a": source, "b": "def f():\n    import package.a\n", "c": ""}
    for name, text in modules.items():
        (package / f"{name}.py").write_text(text)
    assert ImportGraph.of(package).cycles == cycles
