"""Measure generated C against the same network in C++ in the style of RTNeural: `python -m benchmarks.c_export`.

Both are compiled by one compiler with -O3 -march=native, and run in turn in one process: 101 pairs of 2,000 steps, one
input and one output. Printed are nanoseconds a step of both, and the median of the ratios of pairs; above 1 the
generated code is faster. With `--rtneural DIR`, a checkout of RTNeural with its Eigen, that library takes its place.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

import torch

import throughtime as tt
from throughtime import nn

HERE = Path(__file__).parent
FLAGS = ("-O3", "-march=native")


def measure(layer: str, hidden: int, compiler: str, rtneural: Path | None) -> str:
    """Return the figures of a network as a line."""
    torch.manual_seed(0)
    cpp = {"gcc": "g++", "clang": "clang++"}[compiler]
    options = ["-std=c++17", f"-DHIDDEN={hidden}", f"-DIS_GRU={int(layer == 'GRU')}"]
    if rtneural is not None:
        options += ["-w", "-DRTNEURAL", "-DRTNEURAL_USE_EIGEN=1", "-DRTNEURAL_DEFAULT_ALIGNMENT=32"]
        options += [f"-I{rtneural / folder}" for folder in (".", "modules/Eigen", "modules/json")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tt.export(nn.ManyToMany(getattr(nn, layer)(1, hidden), 1), folder / "net.c")
        commands = [
            [compiler, *FLAGS, "-c", "net.c", "-o", "net.o"],
            [cpp, *FLAGS, *options, "-I.", "-c", str(HERE / "c_export.cpp"), "-o", "main.o"],
            [cpp, "main.o", "net.o", "-o", "main"],
        ]
        for command in commands:
            subprocess.run(command, cwd=folder, check=True)  # noqa: S603
        output = subprocess.run(["./main"], cwd=folder, check=True, capture_output=True, text=True)
    ours, theirs, ratio, _ = output.stdout.split()
    return f"{layer:5} H={hidden:<4} {compiler:6} {ours:>6} ns {theirs:>7} ns {ratio:>6}"


def main() -> None:
    """Print a line for each network and compiler."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rtneural", type=lambda text: Path(text).resolve(), help="checkout of RTNeural")
    arguments = parser.parse_args()
    for compiler in filter(shutil.which, ("gcc", "clang")):
        for layer in ("LSTM", "GRU"):
            for hidden in (8, 16, 32, 64):
                print(measure(layer, hidden, compiler, arguments.rtneural), flush=True)


if __name__ == "__main__":
    main()
