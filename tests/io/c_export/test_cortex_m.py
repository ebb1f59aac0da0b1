"""The generated code on a Cortex-M4, which QEMU emulates, without a library."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from tests.io.c_export.programs import STRICT, mostly_slow, network, run, signals

import throughtime as tt
from throughtime.io.c_export import accuracy
from throughtime.io.c_export.compilation import run_compiled

TOOLS = ("arm-none-eabi-gcc", "qemu-system-arm", "cc")
pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, TOOLS)), reason=f"not all of {', '.join(TOOLS)} are installed"
)
BOARD = Path(__file__).parent / "cortex_m"
ARM = ("-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=hard", "-mfpu=fpv4-sp-d16", "-ffreestanding", "-nostdlib")
QEMU = ("-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=5")
STEPS = 40
BOUNDS = [("lstm", "float32", 15_000), ("gru", "float32", 12_000), ("lstm", "int8", 20_000)]
"""Cell, kind of weights, and instructions that a step takes at most."""


def run_on_board(source: Path, x: np.ndarray, outputs: int) -> tuple[float, np.ndarray]:
    """Return the instructions of a step, and the outputs (T, O) for inputs (T, I)."""
    name, folder = source.stem, source.parent
    rows = ",\n".join("{" + ", ".join(f"{value!r}f" for value in row) + "}" for row in x.tolist())
    (folder / "inputs.h").write_text(f"static const float inputs[{len(x)}][{x.shape[1]}] = {{\n{rows}\n}};\n")
    names = {"STATE": f"{name}_state", "INIT": f"{name}_init", "STEP": f"{name}_step", "HEADER": f'"{name}.h"'}
    names |= {"STEPS": str(len(x)), "OUTPUT_SIZE": str(outputs)}
    defines = [f"-D{key}={value}" for key, value in names.items()]
    files = [str(BOARD / "board.c"), source.name, "-T", str(BOARD / "board.ld"), "-o", "board.elf"]
    run(["arm-none-eabi-gcc", *STRICT, *ARM, "-O2", *defines, "-I.", *files], folder)
    debugger = ("-semihosting-config", "enable=on,target=native")
    report = run(
        ["sh", "-c", 'exec "$@" 2>&1', "-", "qemu-system-arm", *QEMU, *debugger, "-kernel", "board.elf"], folder
    )
    words = np.array([int(word, 16) for word in report.split()], np.uint32)
    return words[0] / len(x), words[1:].view(np.float32).reshape(len(x), outputs)


@pytest.mark.parametrize("network_and_limit", mostly_slow(BOUNDS, BOUNDS[0]), ids=str)
def test_a_microcontroller_computes_the_same(network_and_limit: tuple[str, str, int], tmp_path: Path) -> None:
    kind, weights, limit = network_and_limit
    model = network(kind, hidden=16, outputs=1)
    source = tt.export(model, tmp_path / "net.c", weights=weights).source
    x = signals(3, STEPS)["random"]
    instructions, y = run_on_board(source, x, 1)
    assert (y == run_compiled(source, x, "cc", ("-std=c99", "-O2", "-ffp-contract=off", "-U__SSE2__"))).all()
    expected = accuracy.run(accuracy.quantized(model) if weights == "int8" else model, x)
    assert np.abs(y - expected).max() <= 1e-6
    products = sum(p.numel() for p in model.parameters() if p.dim() == 2)
    assert 2 * products < instructions < limit  # a product is at least a multiplication and an addition
