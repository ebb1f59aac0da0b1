"""The source tree of throughtime-runtime, the distribution that runs models without torch.

`python -m tools.runtime_distribution DIRECTORY` writes it. It has the modules that `throughtime.runtime` imports,
directly or through others. They are found in the code, so that there is no list to keep. Any frontend builds the
distribution from that tree, for example `python -m build DIRECTORY`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools.imports import ImportGraph

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "throughtime"
ENTRANCES = ("throughtime.runtime", "throughtime.serve")
"""What a user of the distribution imports: these modules and packages, with all their modules."""

BUILD_FILES = ("CMakeLists.txt", "LICENSE", "csrc")
DATA_FILES = ("*.pyi", "py.typed")


def select_modules(graph: ImportGraph, entrances: Iterable[str] = ENTRANCES) -> list[str]:
    """Return the modules that an entrance imports, inside functions too, and the packages that they are in."""
    waiting = [name for name in graph.files for entrance in entrances if f"{name}.".startswith(f"{entrance}.")]
    selected: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in graph.files and name not in selected:
            selected.add(name)
            waiting += [*graph.imports(name, for_types=False), name.rpartition(".")[0]]
    return sorted(selected)


def find_libraries(graph: ImportGraph, modules: Iterable[str]) -> set[str]:
    """Return the libraries that modules import, inside functions too, without the standard library."""
    targets = {name.partition(".")[0] for module in modules for name in graph.imports(module, for_types=False)}
    return targets - sys.stdlib_module_names - {PACKAGE.name}


def write_tree(directory: Path, package: Path = PACKAGE) -> None:
    """Write the source tree of the distribution to a new directory, from the package in another one."""
    shutil.copytree(ROOT / "packaging" / "runtime", directory)
    for name in BUILD_FILES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, directory / name)
    graph = ImportGraph.of(package)
    modules = [graph.files[name] for name in select_modules(graph)]
    data = [
        path for folder in {module.parent for module in modules} for glob in DATA_FILES for path in folder.glob(glob)
    ]
    for path in (*modules, *data):
        target = directory / "src" / path.relative_to(package.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target)


def main() -> int:
    """Write the tree to the directory on the command line."""
    parser = argparse.ArgumentParser(description="Write the source tree of throughtime-runtime.")
    parser.add_argument("directory", type=Path, help="a new directory")
    write_tree(parser.parse_args().directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
