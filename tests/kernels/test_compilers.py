"""Other compilers and processors: the kernels compile, and compute what GCC's for this processor compute."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILT = ROOT / "build"

pytestmark = pytest.mark.slow


def needs(command: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(command), reason=f"needs {command}")


def printed(*command: str) -> list[str]:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return sorted(done.stdout.splitlines())


def make(target: str) -> None:
    """Run a target of the Makefile without installing anything."""
    printed("make", "-o", ".venv/.installed", target)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the results of the baseline kernels of this compiler, a line for each problem."""
    compiler = (sysconfig.get_config_var("CXX") or "c++").split()[0]
    options = ["-std=c++20", "-O1", "-ffp-contract=off", "-Wno-psabi", "-pthread", "-DTHROUGHTIME_ISA=baseline"]
    sources = [path for path in (ROOT / "csrc").rglob("*.cpp") if path.name != "module.cpp"]
    sources += (ROOT / "tests" / "kernels").rglob("*.cpp")
    driver = tmp_path_factory.mktemp("here") / "driver"
    names = [str(path) for path in sources if path.name != "math.cpp"]
    printed(compiler, *options, f"-I{ROOT / 'csrc'}", *names, "-o", str(driver))
    return printed(str(driver), "baseline")


def check_same(ours: list[str], theirs: list[str]) -> None:
    assert len(ours) == len(theirs) > 100
    for line, other in zip(ours, theirs, strict=True):
        if ": " not in line:  # the number of problems
            assert line == other
            continue
        (problem, sums), (same, actual) = (text.rsplit(": ", 1) for text in (line, other))
        assert problem == same
        digits = 1e-4 if " 32: " in problem else 1e-9
        expected = [float(value) for value in sums.split()]
        assert [float(value) for value in actual.split()] == pytest.approx(expected, rel=digits, abs=digits), problem


@needs("aarch64-linux-gnu-g++")
def test_the_kernels_compile_for_arm() -> None:
    make("neon")
    assert any("AArch64" in line for line in printed("readelf", "-h", str(BUILT / "neon" / "driver")))


@needs("aarch64-linux-gnu-g++")
@needs("qemu-aarch64")
def test_arm_computes_what_this_processor_computes(here: list[str]) -> None:
    make("neon")
    emulated = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu"]
    check_same(here, printed(*emulated, str(BUILT / "neon" / "driver"), "baseline"))


@needs("clang++")
def test_clang_computes_what_gcc_computes(here: list[str]) -> None:
    make("clang")
    check_same(here, printed(str(BUILT / "clang" / "driver"), "baseline"))
