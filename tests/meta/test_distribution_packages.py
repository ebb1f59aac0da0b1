"""The distributions that are built from this tree: what is in them, and what happens where they meet."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from tools.imports import ImportGraph
from tools.installed_size import find_distributions
from tools.runtime_distribution import find_libraries, select_modules, write_tree

import throughtime
from throughtime._core.distribution_packages import require_one_version

ROOT = Path(__file__).parents[2]
PACKAGE = Path(throughtime.__file__).parent
GRAPH = ImportGraph.of(PACKAGE)

OPTIONAL = {"holidays", "narwhals", "tokenizers"}  # imported by calls that need them, which name them where they miss

RUNS_ALONE = """
import importlib, sys
sys.path[:0] = [{source!r}]
sys.path += {libraries!r}
sys.modules.update(dict.fromkeys(({blocked})))
import throughtime
assert throughtime.__path__ == [{source!r} + "/throughtime"], throughtime.__path__
for module in {modules}:
    importlib.import_module(module)
try:
    throughtime.Forecaster
except ImportError as error:
    print(error)
"""


def project(path: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / path).read_text(encoding="utf-8"))


FULL, RUNTIME = project("pyproject.toml"), project("packaging/runtime/pyproject.toml")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source tree of the runtime distribution, with the compiled module of this environment."""
    directory = tmp_path_factory.mktemp("runtime") / "tree"
    write_tree(directory, PACKAGE)
    from throughtime import _kernels

    engine = Path(_kernels._engine.__file__)
    (directory / "src/throughtime/_kernels" / engine.name).symlink_to(engine)
    return directory


def distributions_of(libraries: set[str]) -> set[str]:
    providers = packages_distributions()
    return {canonicalize_name(providers[library][0]) for library in libraries}


def test_the_runtime_imports_no_library_but_its_requirements() -> None:
    required = {Requirement(line).name for line in RUNTIME["project"]["dependencies"]}
    assert distributions_of(find_libraries(GRAPH, select_modules(GRAPH, ["throughtime.runtime"]))) == required


def test_the_server_imports_no_library_but_those_of_its_extra() -> None:
    lines = [*RUNTIME["project"]["dependencies"], *RUNTIME["project"]["optional-dependencies"]["serve"]]
    libraries = distributions_of(find_libraries(GRAPH, select_modules(GRAPH)))
    assert libraries - OPTIONAL <= find_distributions(lines)


def test_the_container_starts_a_module_that_is_in_it() -> None:
    (module,) = re.findall(
        r'ENTRYPOINT \["python", "-m", "([\w.]+)"]', (ROOT / "Dockerfile").read_text(encoding="utf-8")
    )
    assert f"{module}.__main__" in select_modules(GRAPH)


def test_all_that_the_runtime_distribution_ships_can_be_imported_without_other_libraries(tree: Path) -> None:
    source = tree / "src"
    modules = select_modules(ImportGraph.of(source / "throughtime"), ["throughtime.runtime"])
    assert "throughtime.runtime" in modules
    blocked = "'torch', 'polars', 'narwhals', 'pandas', 'sklearn', 'scipy', 'typer', 'rich'"
    libraries = [path for path in sys.path if path.endswith("site-packages")]
    program = RUNS_ALONE.format(source=str(source), libraries=libraries, blocked=blocked, modules=modules)
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", program], capture_output=True, text=True, check=False, cwd=tree
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (
        "throughtime.Forecaster is not part of throughtime-runtime, which only runs models: pip install throughtime"
    )


def test_the_runtime_distribution_has_all_that_its_build_reads(tree: Path) -> None:
    assert {path.name for path in tree.iterdir()} == {
        "CMakeLists.txt", "LICENSE", "README.md", "csrc", "pyproject.toml", "src",
    }  # fmt: skip


def test_both_distributions_are_built_alike() -> None:
    assert RUNTIME["build-system"] == FULL["build-system"]
    same = {key: value for key, value in FULL["tool"]["scikit-build"].items() if key != "sdist"}
    assert RUNTIME["tool"]["scikit-build"] == same
    for key in ("requires-python", "license", "dynamic"):
        assert RUNTIME["project"][key] == FULL["project"][key], key


def test_both_distributions_require_the_same_versions() -> None:
    def requirements(table: dict[str, Any]) -> dict[str, str]:
        lines = [*table["project"]["dependencies"]]
        for extra in table["project"].get("optional-dependencies", {}).values():
            lines += extra
        return {Requirement(line).name: line for line in lines}

    full, runtime = requirements(FULL), requirements(RUNTIME)
    assert {name: full[name] for name in runtime.keys() & full.keys()} == {
        name: runtime[name] for name in runtime.keys() & full.keys()
    }
    assert {"numpy", "safetensors"} <= runtime.keys() & full.keys()


@pytest.mark.parametrize(
    "installed",
    [
        (),
        ("throughtime-0.2.0",),
        ("throughtime_runtime-0.2.0",),
        ("throughtime-0.2.0", "throughtime_runtime-0.2.0"),
        ("throughtime-0.2.0", "throughtime_plugins-0.1.0"),
    ],
    ids=str,
)
def test_distributions_of_one_version_go_together(tmp_path: Path, installed: tuple[str, ...]) -> None:
    for name in (*installed, "numpy-2.0"):
        (tmp_path / f"{name}.dist-info").mkdir()
    require_one_version(str(tmp_path))


def test_distributions_of_two_versions_are_refused(tmp_path: Path) -> None:
    for name in ("throughtime-0.2.0", "throughtime_runtime-0.1.0"):
        (tmp_path / f"{name}.dist-info").mkdir()
    with pytest.raises(ImportError, match=r"throughtime 0\.2\.0 and throughtime-runtime 0\.1\.0 are installed"):
        require_one_version(str(tmp_path))
