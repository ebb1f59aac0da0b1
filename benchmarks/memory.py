"""Peak memory of one update by the length of the sequence, with and without recomputation.

    python -m benchmarks.memory

Hidden size 64, 32 rows, one input and one output for each step. Each number comes from a separate process: the
peak resident size of the update minus that before it. A length that would take more than 2 GiB is not run; its computed
size is in parentheses.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import torch

from throughtime import nn, training

ROWS, HIDDEN = 32, 64
STEPS = (1_000, 10_000, 100_000)
LAYERS = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
STRATEGIES = {"full": "FullBPTT()", "256": "CheckpointedBPTT(memory=256)", "sqrt": "CheckpointedBPTT()"}
_LIMIT = 2 * 2**30
_SCALARS = {"rnn": 2, "gru": 6, "lstm": 7}  # for each step, row and unit, with those of the backward pass


def main() -> None:
    """Print the table, or make one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", nargs=3, metavar=("LAYER", "STEPS", "STRATEGY"), help="one measurement, as JSON")
    one = parser.parse_args().one
    if one:
        print(json.dumps(measure(one[0], int(one[1]), one[2])))
        return
    print("| layer | strategy | " + " | ".join(f"T = {steps:,}" for steps in STEPS) + " |")
    print("|---|---|" + "---:|" * len(STEPS))
    for layer in LAYERS:
        for strategy, name in STRATEGIES.items():
            cells = [_cell(layer, steps, strategy) for steps in STEPS]
            print(f"| {layer.upper()} | `{name}` | {' | '.join(cells)} |", flush=True)


def measure(layer: str, steps: int, strategy: str) -> dict[str, float]:
    """Make one update. Returns the MiB that it took, those of the whole process, and seconds."""
    model = nn.ManyToMany(LAYERS[layer](1, HIDDEN), 1)
    x, y = torch.randn(steps, ROWS, 1), torch.randn(steps, ROWS, 1)
    stop = [training.Updates(1)]
    bptt = {"full": training.FullBPTT(), "sqrt": training.CheckpointedBPTT()}.get(strategy)
    bptt = bptt or training.CheckpointedBPTT(float(strategy))
    training.fit(model, (x[:50], y[:50]), bptt=bptt, stop=stop)
    before, started = _resident(), time.perf_counter()
    training.fit(model, (x, y), bptt=bptt, stop=stop)
    after = _resident()
    return {"mib": after - before, "process_mib": after, "seconds": time.perf_counter() - started}


def _cell(layer: str, steps: int, strategy: str) -> str:
    computed = 4 * ROWS * HIDDEN * _SCALARS[layer] * steps
    if strategy == "full" and computed > _LIMIT:
        return f"({computed / 2**20:,.0f} MiB)"
    command = [sys.executable, "-m", "benchmarks.memory", "--one", layer, str(steps), strategy]
    measured = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # noqa: S603
    return f"{measured['mib']:,.0f} MiB, {measured['seconds']:.1f} s"


def _resident() -> float:
    """Return the peak resident size of this process in MiB; getrusage would include that of the parent process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) / 1024  # pyright: ignore[reportOptionalSubscript]


if __name__ == "__main__":
    main()
