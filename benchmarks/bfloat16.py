"""Inference in bfloat16 compared with float32: the speedup of the layers, and their error.

    python -m benchmarks.bfloat16 [--rounds 30] [--threads 2]

The two take turns in one process; the ratio is the median over the pairs. The error is the greatest of an output
compared with float64 with the same weights and inputs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import TYPE_CHECKING

import torch

from throughtime import _kernels, nn

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = [(1, 1000, 64, 256), (64, 100, 256, 512), (32, 100, 1, 64), (1, 1, 1, 32)]  # (N, T, I, H)
LAYERS = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"{_kernels.isa}, {arguments.threads} threads\n")
    print("| (N, T, I, H) | layer | float32, ms | bfloat16, ms | ratio | error |")
    print("|---|---|---:|---:|---:|---:|")
    for shape in SHAPES:
        for name in LAYERS:
            single, narrow, ratio, error = measure(name, shape, arguments.rounds)
            print(f"| {shape} | {name} | {single:.3f} | {narrow:.3f} | {ratio:.2f} | {error:.4f} |", flush=True)


@torch.no_grad()
def measure(layer: str, shape: tuple[int, int, int, int], rounds: int) -> tuple[float, float, float, float]:
    """Return the best times in ms, the median ratio and the greatest error."""
    batch, steps, inputs, hidden = shape
    narrow = LAYERS[layer](inputs, hidden, dtype=torch.bfloat16)
    x = torch.randn(steps, batch, inputs).bfloat16()
    same = {}
    for dtype in (torch.float32, torch.float64):
        same[dtype] = LAYERS[layer](inputs, hidden, dtype=dtype)
        same[dtype].load_state_dict(narrow.state_dict())
    single, wide = same.values()
    assert narrow.path(x).startswith("kernel"), narrow.path(x)
    x_single = x.float()
    error = float((narrow(x)[0].double() - wide(x.double())[0]).abs().max())
    pairs = [(_seconds(lambda: single(x_single)), _seconds(lambda: narrow(x))) for _ in range(rounds)]
    ratio = statistics.median(first / second for first, second in pairs)
    return 1e3 * min(first for first, _ in pairs), 1e3 * min(second for _, second in pairs), ratio, error


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
