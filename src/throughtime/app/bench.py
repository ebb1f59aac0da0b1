"""This machine: our layers beside torch.nn's, and others' where they are installed, interleaved in one process.

A time by itself says little on a machine that is shared; the ratio of two that were measured side by side does. Each
row is the median of the ratios of many pairs. The share of the peak is that of the multiply-adds that this processor
makes in registers alone, measured in the same run.
"""

from __future__ import annotations

import json as json_module
import statistics
import time
from dataclasses import asdict, dataclass
from operator import truediv
from typing import TYPE_CHECKING

import torch
from rich import box
from rich.table import Table

from throughtime import _kernels, nn
from throughtime.app.peers import peers
from throughtime.app.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES = (
    (1, 1, 1, 32),
    (1, 100, 1, 32),
    (1, 1000, 64, 256),
    (32, 24, 1, 32),
    (32, 100, 1, 64),
    (64, 100, 64, 128),
    (64, 100, 128, 256),
    (64, 100, 256, 512),
    (64, 25, 1024, 1024),
)
"""Batch, steps, inputs, hidden units."""

LAYERS = ("RNN", "GRU", "LSTM")
_TORCH = "torch.nn"
_SHORTEST = 5e-3  # seconds that one measurement takes at least, of whichever
_REST = 0.02  # seconds before it, for threads of the one before wait so long for more work, and would be in the way
_PAIRS = 5  # at least


@dataclass(frozen=True)
class Row:
    """A layer, shape and mode.

    Attributes:
        layer: its name.
        shape: batch, steps, inputs, hidden units.
        mode: 'inference' or 'training'.
        ratio: of the time of torch.nn to ours, the median of many pairs.
        torch_ms: its best time.
        ours_ms: our best time.
        peak_share: of what the processor can do, in our best time.
        others: ratios likewise, of others that are installed.
    """

    layer: str
    shape: tuple[int, int, int, int]
    mode: str
    ratio: float
    torch_ms: float
    ours_ms: float
    peak_share: float
    others: dict[str, float]


def bench(*, seconds: float, as_json: bool) -> None:
    """Measure everything and print a table, or one JSON object."""
    screen = Screen()
    threads, isa = torch.get_num_threads(), _kernels.isa or "none"
    peak = multiply_add_peak(threads)
    screen.say(f"torch {torch.__version__}, {threads} threads, kernels for {isa}, at most {peak / 1e9:.0f} GFLOP/s")
    rows = []
    for mode in ("inference", "training"):
        for shape in SHAPES:
            for layer in LAYERS:
                row = measure(layer, shape, mode, seconds, peak)
                rows.append(row)
                said = ", ".join(f"{ratio:.2f} times {name}" for name, ratio in _ratios(row).items())
                screen.say(f"{mode} {layer} {shape}: {said}")
    if as_json:
        result = {"torch": torch.__version__, "threads": threads, "isa": isa, "peak_gflops": peak / 1e9}
        print(json_module.dumps({**result, "rows": [asdict(row) for row in rows]}))  # noqa: T201
        return
    for mode in ("inference", "training"):
        for name in _ratios(next(row for row in rows if row.mode == mode)):
            screen.table(_table(mode, name, [row for row in rows if row.mode == mode]))


def measure(layer: str, shape: tuple[int, int, int, int], mode: str, seconds: float, peak: float) -> Row:
    """Time a layer of torch.nn and ours with the same weights, by turns, for some seconds."""
    batch, steps, inputs, hidden = shape
    theirs, ours = getattr(torch.nn, layer)(inputs, hidden), getattr(nn, layer)(inputs, hidden)
    ours.load_state_dict(theirs.state_dict())
    x, dy = torch.randn(steps, batch, inputs), torch.randn(steps, batch, hidden)
    given = dy if mode == "training" else None
    calls = {"ours": _call(ours, x, given), _TORCH: _call(theirs, x, given), **peers(ours, x, given)}
    repeats = {}
    for name, call in calls.items():
        call()
        call()
        repeats[name] = max(1, int(_SHORTEST / _time(call, 1)))
    times: dict[str, list[float]] = {name: [] for name in calls}
    until = time.perf_counter() + seconds
    while len(times["ours"]) < _PAIRS or time.perf_counter() < until:
        for name, call in calls.items():
            time.sleep(_REST)
            call()  # wakes its threads, and brings its code and data back into the caches
            times[name].append(_time(call, repeats[name]))
    own = times.pop("ours")
    ratios = {name: statistics.median(map(truediv, its, own)) for name, its in times.items()}
    # Backward: the same again for the weights, and what goes back through the state. The input needs no gradient.
    terms = hidden + inputs if mode == "inference" else 2 * (hidden + inputs) + hidden
    work = 2 * len(ours.cell.gates) * hidden * terms * batch * steps
    share = work / min(own) / peak if peak else 0.0
    ratio = ratios.pop(_TORCH)
    return Row(layer, shape, mode, ratio, min(times[_TORCH]) * 1e3, min(own) * 1e3, share, ratios)


def _ratios(row: Row) -> dict[str, float]:
    return {_TORCH: row.ratio, **row.others}


def multiply_add_peak(threads: int) -> float:
    """Operations per second that the processor makes in registers alone, the best of some; 0 without kernels."""
    best = 0.0
    for _ in range(12):
        started = time.perf_counter()
        operations = _kernels.multiply_adds(threads)
        best = max(best, operations / (time.perf_counter() - started))
    return best


def _call(module: torch.nn.Module, x: torch.Tensor, dy: torch.Tensor | None) -> Callable[[], None]:
    def infer() -> None:
        with torch.no_grad():
            module(x)

    def train() -> None:
        module.zero_grad()
        module(x)[0].backward(dy)

    return infer if dy is None else train


def _time(call: Callable[[], object], repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - started) / repeats


def _table(mode: str, name: str, rows: list[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=f"{mode}: times faster than {name} (share of the processor's peak)")
    table.add_column("batch, steps, inputs, hidden")
    for layer in LAYERS:
        table.add_column(layer, justify="right")
    for shape in SHAPES:
        found = {row.layer: row for row in rows if row.shape == shape}
        cells = [f"{_ratios(found[layer])[name]:.2f}  ({found[layer].peak_share:.0%})" for layer in LAYERS]
        table.add_row(", ".join(map(str, shape)), *cells)
    return table
