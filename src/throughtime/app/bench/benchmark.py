"""This machine: our layers beside torch.nn's, and others' where they are installed, interleaved in one process.

A time by itself says little on a machine that is shared; the ratio of two that were measured side by side does. Each
row is the median of the ratios of many rounds, of which those count during which the processor was whole: it gave about
its peak before and after. The share of the peak is that of the multiply-adds that this processor makes in registers
alone, measured in the same run.
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
from throughtime.app.bench.peers import peers
from throughtime.app.bench.processor import SETTLING, Processor
from throughtime.app.console import ConsoleOutput

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

LAYERS = tuple(layer.__name__ for layer in nn.LAYERS.values() if layer.torch_layer is not None)
_OURS, _TORCH = "ours", "torch.nn"
_CONTENDED = ", on a processor that was busy otherwise"
_SHORTEST = 5e-3  # seconds that one measurement takes at least, of whichever
_REST = 0.1  # seconds before it: threads of the one before spin that long for more work (ONNX Runtime's half of it)
_ROUNDS = 5  # at least
_PATIENCE = 5  # times as long as asked for, where the processor is not whole


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
        contended: something else took so much of the processor all the time that the figures are not to be trusted.
    """

    layer: str
    shape: tuple[int, int, int, int]
    mode: str
    ratio: float
    torch_ms: float
    ours_ms: float
    peak_share: float
    others: dict[str, float]
    contended: bool


def bench(*, seconds: float, as_json: bool) -> None:
    """Measure everything and print a table, or one JSON object."""
    screen = ConsoleOutput()
    threads, isa = torch.get_num_threads(), _kernels.isa or "none"
    processor = Processor(threads)
    peak = f"{processor.peak / 1e9:.0f} GFLOP/s"
    screen.say(f"torch {torch.__version__}, {threads} threads, kernels for {isa}, at most {peak}")
    rows = []
    for mode in ("inference", "training"):
        for shape in SHAPES:
            for layer in LAYERS:
                row = measure(layer, shape, mode, seconds, processor)
                rows.append(row)
                said = ", ".join(f"{ratio:.2f} times {name}" for name, ratio in _ratios(row).items())
                screen.say(f"{mode} {layer} {shape}: {said}{_CONTENDED if row.contended else ''}")
    if as_json:
        result = {"torch": torch.__version__, "threads": threads, "isa": isa, "peak_gflops": processor.peak / 1e9}
        print(json_module.dumps({**result, "rows": [asdict(row) for row in rows]}))  # noqa: T201
        return
    if any(row.contended for row in rows):
        screen.say("?: measured on a processor that was busy otherwise")
    for mode in ("inference", "training"):
        for name in _ratios(next(row for row in rows if row.mode == mode)):
            screen.table(_table(mode, name, [row for row in rows if row.mode == mode]))


def measure(layer: str, shape: tuple[int, int, int, int], mode: str, seconds: float, processor: Processor) -> Row:
    """Time a layer of torch.nn and ours with the same weights, by turns, for some seconds."""
    batch, steps, inputs, hidden = shape
    theirs, ours = getattr(torch.nn, layer)(inputs, hidden), getattr(nn, layer)(inputs, hidden)
    ours.load_state_dict(theirs.state_dict())
    x, dy = torch.randn(steps, batch, inputs), torch.randn(steps, batch, hidden)
    given = dy if mode == "training" else None
    calls = {_OURS: _call(ours, x, given), _TORCH: _call(theirs, x, given), **peers(ours, x, given)}
    times, contended = _rounds(calls, seconds, processor)
    own = times.pop(_OURS)
    ratios = {name: statistics.median(map(truediv, its, own)) for name, its in times.items()}
    # Backward: the same again for the weights, and what goes back through the state. The input needs no gradient.
    terms = hidden + inputs if mode == "inference" else 2 * (hidden + inputs) + hidden
    work = 2 * len(ours.cell.gates) * hidden * terms * batch * steps
    share = work / min(own) / processor.peak if processor.peak else 0.0
    best = {"torch_ms": min(times[_TORCH]) * 1e3, "ours_ms": min(own) * 1e3}
    return Row(layer, shape, mode, ratios.pop(_TORCH), **best, peak_share=share, others=ratios, contended=contended)


def _rounds(
    calls: dict[str, Callable[[], object]], seconds: float, processor: Processor
) -> tuple[dict[str, list[float]], bool]:
    """Seconds of each call in each round that counts, and whether all had to count for want of better ones."""
    repeats = {name: max(1, int(_SHORTEST / _settle(call))) for name, call in calls.items()}
    rounds: list[tuple[bool, list[float]]] = []
    whole = 0
    started = time.perf_counter()
    before = processor.is_whole()
    while True:
        passed = time.perf_counter() - started
        if len(rounds) >= _ROUNDS and passed >= seconds and (whole >= _ROUNDS or passed >= _PATIENCE * seconds):
            break
        found = []
        for name, call in calls.items():
            time.sleep(_REST)
            _settle(call)
            found.append(_time(call, repeats[name]))
        after = processor.is_whole()
        rounds.append((before and after, found))
        whole += before and after
        before = after
    contended = whole < _ROUNDS
    counted = [found for is_whole, found in rounds if is_whole or contended]
    return {name: [found[i] for found in counted] for i, name in enumerate(calls)}, contended


def _ratios(row: Row) -> dict[str, float]:
    return {_TORCH: row.ratio, **row.others}


def _call(module: torch.nn.Module, x: torch.Tensor, dy: torch.Tensor | None) -> Callable[[], None]:
    def infer() -> None:
        with torch.no_grad():
            module(x)

    def train() -> None:
        module.zero_grad()
        module(x)[0].backward(dy)

    return infer if dy is None else train


def _settle(call: Callable[[], object]) -> float:
    """Call until threads, code and data are where they stay; the seconds of the fastest call."""
    until = time.perf_counter() + SETTLING
    fastest = _time(call, 1)
    while time.perf_counter() < until:
        fastest = min(fastest, _time(call, 1))
    return fastest


def _time(call: Callable[[], object], repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - started) / repeats


def _cell(row: Row, name: str) -> str:
    return f"{_ratios(row)[name]:.2f}  ({row.peak_share:.0%}){'?' if row.contended else ''}"


def _table(mode: str, name: str, rows: list[Row]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=f"{mode}: times faster than {name} (share of the peak)")
    table.add_column("batch, steps, inputs, hidden")
    for layer in LAYERS:
        table.add_column(layer, justify="right")
    for shape in SHAPES:
        found = {row.layer: row for row in rows if row.shape == shape}
        cells = [_cell(found[layer], name) for layer in LAYERS]
        table.add_row(", ".join(map(str, shape)), *cells)
    return table
