"""Adding a kind of layer takes one Python file, one C++ file and one line; adding a cell to a layer takes no more.

The layer is in `new_layer`. It is put into a copy of the package, where the laws, options, estimators and files that
hold for every layer hold for it too.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.copies import copy_package, run

import throughtime.nn  # noqa: F401  (registers the cells)
from throughtime import _kernels
from throughtime._core.reference import CELLS

ROOT = Path(__file__).parents[2]
SOURCES = [*(ROOT / "src").rglob("*.py"), *(ROOT / "csrc").rglob("*.[ch]pp")]
NEW_LAYER = Path(__file__).parent / "new_layer"
LINE = "from throughtime.nn.ugrnn import UGRNN as UGRNN\n"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package with the new layer."""
    package = copy_package(tmp_path)
    shutil.copy(NEW_LAYER / "ugrnn.py", package / "nn")
    with (package / "nn" / "__init__.py").open("a", encoding="utf-8") as file:
        file.write(LINE)
    return package


def check(package: Path, tests: list[str], *, without: str = "nothing") -> None:
    """Run the tests that hold for the new layer."""
    result = run(package, [*tests, "-k", f"ugrnn and not {without}"])
    assert result.code == pytest.ExitCode.OK, result.output


def test_a_new_layer_is_an_option_of_estimators_before_it_is_compiled(package: Path) -> None:
    tests = ["oracle/test_options.py", "tasks/test_every_layer.py", "app/test_help.py"]
    check(package, tests, without="generator")  # which draws by kernels


@pytest.mark.slow
def test_its_kernel_obeys_the_laws_and_is_its_reference(package: Path, tmp_path: Path) -> None:
    sources, build = tmp_path / "sources", tmp_path / "build"
    shutil.copytree(ROOT / "csrc", sources / "csrc")
    shutil.copy(ROOT / "CMakeLists.txt", sources)
    shutil.copy(NEW_LAYER / "ugrnn.cpp", sources / "csrc" / "cells")
    options = [f"-DTHROUGHTIME_INSTRUCTION_SETS={_kernels.isa}", f"-DPython_EXECUTABLE={sys.executable}"]
    for command in (["-S", str(sources), "-B", str(build), *options], ["--build", str(build), "--", "-j2"]):
        done = subprocess.run(["cmake", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    for module in build.glob("_engine.*"):
        shutil.copy(module, package / "_kernels")
    tests = [
        *("laws/test_scan.py", "laws/test_masks_and_resets.py", "io/test_network.py", "gradients/test_gradcheck.py"),
        *("oracle/test_kernels_agree_with_the_reference.py", "oracle/test_custom_operators.py"),
        *("oracle/test_options.py", "oracle/test_state_options.py", "oracle/test_tracing.py"),
        "tasks/test_every_layer.py",
    ]
    check(package, tests)


@pytest.mark.parametrize("cell", ["peephole_lstm", "coupled_lstm"])
def test_a_cell_is_in_its_two_files_and_in_its_layer(cell: str) -> None:
    assert cell in CELLS
    files = {str(p.relative_to(ROOT)) for p in SOURCES if re.search(rf"\b{cell}\b", p.read_text(encoding="utf-8"))}
    assert files == {f"src/throughtime/nn/{cell}.py", f"csrc/cells/{cell}.cpp", "src/throughtime/nn/lstm.py"}
    layer = (ROOT / "src/throughtime/nn/lstm.py").read_text(encoding="utf-8")
    assert len(re.findall(rf"\b{cell}\b", layer)) == 1, "the import"
