"""The speed of the layers on this machine relative to torch.nn and other libraries, interleaved in one process.

On a shared machine a time is not reliable, but the ratio of two times that are measured next to each other is. Each row
is the median of the ratios of many rounds; a round is valid if the processor was free before and after, which means
that it reached about its peak speed. The share of the peak is relative to the multiply-adds of this processor in
registers, measured in the same run.
"""

from __future__ import annotations

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
from throughtime.app.bench.processor import WARM_UP_SECONDS, Processor
from throughtime.app.console import ConsoleOutput
from throughtime.app.output import print_result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Shape = tuple[int, int, int, int]

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
MODES = ("inference", "training")
_OURS, _TORCH = "ours", "torch.nn"
_BUSY = "measured on a busy processor"
_MIN_SECONDS = 5e-3  # of a measurement
_PAUSE_SECONDS = 0.1  # threads of the previous library spin that long (ONNX Runtime half of it)
_MIN_ROUNDS = 5
_MAX_TIME_FACTOR = 5  # times the requested seconds, while the processor is busy


@dataclass(frozen=True)
class BenchmarkRow:
    """The result for a layer, a shape and a mode.

    Attributes:
        layer: its name.
        shape: batch, steps, inputs, hidden units.
        mode: 'inference' or 'training'.
        ratio: of the time of torch.nn to ours, the median of many pairs.
        torch_ms: best time of torch.nn.
        ours_ms: our best time.
        peak_share: of the peak speed of the processor, in our best time.
        others: ratios of other installed libraries.
        contended: the processor was busy with other work, so that the figures are not reliable.
    """

    layer: str
    shape: Shape
    mode: str
    ratio: float
    torch_ms: float
    ours_ms: float
    peak_share: float
    others: dict[str, float]
    contended: bool


def run(*, seconds: float, as_json: bool) -> None:
    """Measure all rows, and print tables or one JSON object."""
    console = ConsoleOutput()
    threads, isa = torch.get_num_threads(), _kernels.isa or "none"
    processor = Processor(threads)
    peak = f"{processor.peak / 1e9:.0f} GFLOP/s"
    console.say(f"torch {torch.__version__}, {threads} threads, kernels for {isa}, at most {peak}")
    rows = []
    for mode in MODES:
        for shape in SHAPES:
            for layer in LAYERS:
                row = measure(layer, shape, mode, seconds, processor)
                rows.append(row)
                ratios = ", ".join(f"{ratio:.2f} times {name}" for name, ratio in _ratios(row).items())
                console.say(f"{mode} {layer} {shape}: {ratios}{f', {_BUSY}' if row.contended else ''}")
    result = {"torch": torch.__version__, "threads": threads, "isa": isa, "peak_gflops": processor.peak / 1e9}
    print_result({**result, "rows": [asdict(row) for row in rows]}, lambda: _show(console, rows), as_json=as_json)


def measure(layer: str, shape: Shape, mode: str, seconds: float, processor: Processor) -> BenchmarkRow:
    """Time a layer of torch.nn and ours with the same weights, alternately, for some seconds."""
    batch, steps, inputs, hidden = shape
    theirs, ours = getattr(torch.nn, layer)(inputs, hidden), getattr(nn, layer)(inputs, hidden)
    ours.load_state_dict(theirs.state_dict())
    x, dy = torch.randn(steps, batch, inputs), torch.randn(steps, batch, hidden)
    gradient = dy if mode == "training" else None
    calls = {_OURS: _layer_call(ours, x, gradient), _TORCH: _layer_call(theirs, x, gradient)}
    calls |= peers(ours, x, gradient)
    times, contended = _measure_rounds(calls, seconds, processor)
    own = times.pop(_OURS)
    ratios = {name: statistics.median(map(truediv, other, own)) for name, other in times.items()}
    # The backward pass has the same products again for the weights, and those of the state; x needs no gradient.
    terms = hidden + inputs if mode == "inference" else 2 * (hidden + inputs) + hidden
    operations = 2 * len(ours.cell.gates) * hidden * terms * batch * steps
    share = operations / min(own) / processor.peak if processor.peak else 0.0
    best = {"torch_ms": min(times[_TORCH]) * 1e3, "ours_ms": min(own) * 1e3}
    return BenchmarkRow(
        layer, shape, mode, ratios.pop(_TORCH), **best, peak_share=share, others=ratios, contended=contended
    )


def _measure_rounds(
    calls: Mapping[str, Callable[[], object]], seconds: float, processor: Processor
) -> tuple[dict[str, list[float]], bool]:
    """Return the seconds of each call in each valid round, and whether there were too few, so that all are used."""
    repeats = {name: max(1, int(_MIN_SECONDS / _warm_up(call))) for name, call in calls.items()}
    rounds: list[tuple[bool, list[float]]] = []
    n_valid = 0
    started = time.perf_counter()
    before = processor.is_free()
    while True:
        passed = time.perf_counter() - started
        is_enough = n_valid >= _MIN_ROUNDS or passed >= _MAX_TIME_FACTOR * seconds
        if is_enough and len(rounds) >= _MIN_ROUNDS and passed >= seconds:
            break
        times = []
        for name, call in calls.items():
            time.sleep(_PAUSE_SECONDS)
            _warm_up(call)
            times.append(_time_call(call, repeats[name]))
        after = processor.is_free()
        rounds.append((before and after, times))
        n_valid += before and after
        before = after
    contended = n_valid < _MIN_ROUNDS
    used = [times for is_valid, times in rounds if is_valid or contended]
    return {name: [times[i] for times in used] for i, name in enumerate(calls)}, contended


def _ratios(row: BenchmarkRow) -> dict[str, float]:
    return {_TORCH: row.ratio, **row.others}


def _layer_call(module: torch.nn.Module, x: torch.Tensor, dy: torch.Tensor | None) -> Callable[[], None]:
    def infer() -> None:
        with torch.no_grad():
            module(x)

    def train() -> None:
        module.zero_grad()
        module(x)[0].backward(dy)

    return infer if dy is None else train


def _warm_up(call: Callable[[], object]) -> float:
    """Call until threads, code and data have their final places; return the seconds of the fastest call."""
    until = time.perf_counter() + WARM_UP_SECONDS
    fastest = _time_call(call, 1)
    while time.perf_counter() < until:
        fastest = min(fastest, _time_call(call, 1))
    return fastest


def _time_call(call: Callable[[], object], repeats: int) -> float:
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - started) / repeats


def _show(console: ConsoleOutput, rows: list[BenchmarkRow]) -> None:
    if any(row.contended for row in rows):
        console.say(f"?: {_BUSY}")
    for mode in MODES:
        of_mode = [row for row in rows if row.mode == mode]
        for name in _ratios(of_mode[0]):
            console.table(_table(mode, name, of_mode))


def _format_cell(row: BenchmarkRow, name: str) -> str:
    return f"{_ratios(row)[name]:.2f}  ({row.peak_share:.0%}){'?' if row.contended else ''}"


def _table(mode: str, name: str, rows: list[BenchmarkRow]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=f"{mode}: times faster than {name} (share of the peak)")
    table.add_column("batch, steps, inputs, hidden")
    for layer in LAYERS:
        table.add_column(layer, justify="right")
    for shape in SHAPES:
        by_layer = {row.layer: row for row in rows if row.shape == shape}
        cells = [_format_cell(by_layer[layer], name) for layer in LAYERS]
        table.add_row(", ".join(map(str, shape)), *cells)
    return table
