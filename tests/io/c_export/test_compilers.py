"""The generated files compile everywhere without a warning, and are what they say of themselves."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import torch
from tests.io.c_export.programs import COMPILERS, OPTIONS, STRICT, mostly_slow, network, run

import throughtime as tt
from throughtime import nn

if TYPE_CHECKING:
    from pathlib import Path

MODES = [(), ("-O2",), ("-O3", "-march=native"), ("-Os", "-ffreestanding"), ("-O3", "-ffreestanding", "-march=native")]
ARM = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-ffreestanding")
needs_arm = pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None, reason="the compiler arm-none-eabi-gcc is not installed"
)
CODE_BYTES = 6000
"""The greatest size of the code of a small network at -O2 on a Cortex-M4."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with networks that need all functions, with both kinds of weights."""
    folder = tmp_path_factory.mktemp("sources")
    for weights in ("float32", "int8"):
        tt.export(network("gru", layers=2, hidden=45), folder / f"gru_{weights}.c", weights=weights)
        tt.export(nn.LSTM(2, 5, layer_norm=True, peephole=True), folder / f"norm_{weights}.c", weights=weights)
    return folder


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("mode", mostly_slow(MODES, MODES[-1]), ids=" ".join)
def test_no_compiler_warns(compiler: str, mode: tuple[str, ...], sources: Path, tmp_path: Path) -> None:
    files = sorted(sources.glob("*.c"))
    run([compiler, *STRICT, *mode, "-c", *map(str, files)], tmp_path)
    if "-ffreestanding" in mode:
        needed = run(["nm", "-u", *(f"{file.stem}.o" for file in files)], tmp_path)
        assert needed.split() == [f"{file.stem}.o:" for file in files]


@pytest.mark.parametrize("kind", mostly_slow(OPTIONS, "gru reset before"))
def test_the_header_states_the_sizes(kind: str, tmp_path: Path) -> None:
    result = tt.export(network(kind, hidden=20), tmp_path / "net.c")
    text = result.header.read_text()
    assert f"#define NET_STATE_BYTES {result.state_bytes}\n" in text
    assert f"#define NET_CONSTANT_BYTES {result.constant_bytes}\n" in text
    run(["cc", "-std=c99", "-O0", "-c", "net.c"], tmp_path)
    kinds = {name: int(size) for name, size, *_ in _sections(run(["size", "-A", "net.o"], tmp_path))}
    assert kinds[".data"] == kinds[".bss"] == 0
    constants = [line.split() for line in run(["nm", "-S", "net.o"], tmp_path).splitlines()]
    assert sum(int(entry[1], 16) for entry in constants if entry[2] in "rR") == result.constant_bytes


def _sections(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines() if line.startswith(".")]


@needs_arm
@pytest.mark.parametrize("weights", mostly_slow(["float32", "int8"], "float32"))
def test_flash_and_ram_of_a_microcontroller_are_as_stated(weights: str, tmp_path: Path) -> None:
    result = tt.export(network("lstm", hidden=16), tmp_path / "net.c", weights=weights)
    run(["arm-none-eabi-gcc", *STRICT, *ARM, "-O2", "-fstack-usage", "-c", "net.c"], tmp_path)
    text, data, bss, *_ = map(int, run(["arm-none-eabi-size", "net.o"], tmp_path).splitlines()[1].split()[:3])
    assert data == bss == 0
    assert result.constant_bytes <= text <= result.constant_bytes + CODE_BYTES
    stack = [line.split("\t") for line in (tmp_path / "net.su").read_text().splitlines()]
    used = max(int(size) for name, size, _ in stack if "advance" in name or "_step" in name)
    assert result.stack_bytes <= used <= result.stack_bytes + 200


@pytest.mark.skipif(shutil.which("g++") is None, reason="the compiler g++ is not installed")
def test_the_header_can_be_included_from_cpp(tmp_path: Path) -> None:
    tt.export(nn.GRU(2, 3), tmp_path / "net.c")
    (tmp_path / "main.cpp").write_text(
        '#include "net.h"\n#include "net.h"\nint main() { net_state s; float x[2] = {0, 1}, y[3]; net_init(&s);\n'
        "return net_step(&s, x, y) + net_run(&s, 1, x, y) + (int)net_step_many(&s, 1, x, y); }\n"
    )
    run(["g++", "-std=c++11", "-Wall", "-Wextra", "-Werror", "-c", "main.cpp"], tmp_path)
    run(["gcc", "-std=c99", "-c", "net.c"], tmp_path)
    run(["g++", "main.o", "net.o", "-o", "main"], tmp_path)
    run(["./main"], tmp_path)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler (cc) is installed")
def test_the_state_has_the_stated_size_or_the_code_does_not_compile(tmp_path: Path) -> None:
    header = tt.export(nn.GRU(2, 3), tmp_path / "net.c").header
    header.write_text(header.read_text().replace("float h[3]", "float h[4]"))
    done = subprocess.run(["cc", "-c", "net.c"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert "state_has_the_stated_size" in done.stderr


def test_one_model_has_one_text(tmp_path: Path) -> None:
    model = network("gru")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        tt.export(model, tmp_path / folder / "net.c", weights="int8")
    for name in ("net.c", "net.h"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    with torch.no_grad():
        next(model.parameters())[0, 0] += 1
    tt.export(model, tmp_path / "net.c")
    checksums = [
        line for f in ("net.h", "a/net.h") for line in (tmp_path / f).read_text().splitlines() if "_SHA" in line
    ]
    assert len({*checksums}) == len(checksums) == 2


@pytest.mark.parametrize(
    "name", ["a b", "1st", "_net", "a-b", "a__b", 'a";system("x', "é", "x" * 41, "a.b", "a\nb", "*"]
)
def test_a_name_that_cannot_begin_identifiers_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(tt.InputError, match="expected a file name of letters"):
        tt.export(nn.GRU(2, 3), tmp_path / f"{name}.c")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (nn.GRU(2, 3, bidirectional=True), "one direction"),
        (nn.ManyToOne(nn.GRU(2, 3), 1, pooling="mean"), "pooling 'final'"),
        (torch.nn.Linear(2, 3), "expected one of RNN, "),
        (torch.nn.GRU(2, 3), "expected one of RNN, "),
        (nn.GRU(2, 3).requires_grad_(requires_grad=False), ""),
    ],
)
def test_what_does_not_advance_step_by_step_is_refused(model: torch.nn.Module, reason: str, tmp_path: Path) -> None:
    if not reason:
        reason = "finite weights"
        next(model.parameters())[0, 0] = torch.nan
    with pytest.raises(tt.InputError, match=reason):
        tt.export(model, tmp_path / "net.c")
    assert not list(tmp_path.iterdir())


def test_files_are_not_replaced_unless_told(tmp_path: Path) -> None:
    (tmp_path / "net.h").write_text("mine")
    with pytest.raises(tt.InputError, match=r"net\.h exists"):
        tt.export(nn.GRU(2, 3), tmp_path / "net.c")
    assert [path.name for path in tmp_path.iterdir()] == ["net.h"]
    tt.export(nn.GRU(2, 3), tmp_path / "net.c", overwrite=True)
    assert "NET_H" in (tmp_path / "net.h").read_text()
