"""The kernels for Arm: they compile, and under emulation they compute what those of this processor do."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EMULATED = ["qemu-aarch64", "-L", "/usr/aarch64-linux-gnu", str(ROOT / "build" / "neon" / "driver"), "baseline"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("aarch64-linux-gnu-g++"), reason="needs aarch64-linux-gnu-g++"),
]


def printed(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def _built() -> None:
    """Build what `make neon` builds, without installing anything."""
    printed("make", "-o", ".venv/.installed", "neon")


@pytest.mark.usefixtures("_built")
def test_the_kernels_compile_for_arm() -> None:
    assert "AArch64" in printed("readelf", "-h", "build/neon/driver")


@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="needs qemu-aarch64 (Debian: qemu-user)")
@pytest.mark.usefixtures("_built")
def test_arm_computes_what_this_processor_computes(tmp_path: Path) -> None:
    compiler = (sysconfig.get_config_var("CXX") or "c++").split()[0]
    options = ["-std=c++20", "-O1", "-ffp-contract=off", "-Wno-psabi", "-pthread", "-DTHROUGHTIME_ISA=baseline"]
    sources = [*(ROOT / "csrc" / "cells").glob("*.cpp"), ROOT / "csrc" / "registry.cpp", ROOT / "csrc" / "memory.cpp"]
    driver = tmp_path / "driver"
    names = map(str, [*sources, ROOT / "tests" / "kernels" / "driver.cpp"])
    printed(compiler, *options, f"-I{ROOT / 'csrc'}", *names, "-o", str(driver))
    ours, theirs = (sorted(printed(*command).splitlines()) for command in ([str(driver), "baseline"], EMULATED))
    assert len(ours) == len(theirs) > 100
    for line, other in zip(ours, theirs, strict=True):
        if ": " not in line:  # how many there were
            assert line == other
            continue
        (problem, sums), (same, found) = (text.rsplit(": ", 1) for text in (line, other))
        assert problem == same
        digits = 1e-4 if " 32: " in problem else 1e-9
        expected = [float(value) for value in sums.split()]
        assert [float(value) for value in found.split()] == pytest.approx(expected, rel=digits, abs=digits), problem
