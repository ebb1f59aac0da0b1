"""Updates of small networks: `training.fit` and the same loop in plain torch, measured alternately in one process.

    python benchmarks/updates.py [--seconds 1]

First the online case, a batch of one and an update at each step over the last k steps (the textbook's algorithm, with
SGD); then whole train steps on mini-batches (layer, linear output, squared error, clipping, Adam). Prints updates per
second of both, the median of the ratios of paired measurements, and the largest difference of the losses.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from throughtime import _kernels, nn, training

if TYPE_CHECKING:
    from collections.abc import Callable

LAYERS = ("RNN", "GRU", "LSTM")
ONLINE = [(hidden, k) for hidden in (8, 32, 128) for k in (4, 16)]
FEW, MANY = 100, 2_000  # online updates in a measurement of torch, and of ours
STEPS = [(32, 24, 1, 32), (32, 100, 1, 64)]  # batch, steps, inputs, hidden


class TorchModel(torch.nn.Module):
    """torch.nn's layer and a linear output."""

    def __init__(self, ours: nn.ManyToMany) -> None:
        super().__init__()
        layer: Any = ours.layer
        self.layer = getattr(torch.nn, layer.mode.partition("_")[0])(layer.input_size, layer.hidden_size)
        self.output = torch.nn.Linear(layer.hidden_size, ours.output.out_features)
        self.load_state_dict(ours.state_dict())

    def forward(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return outputs and the state."""
        h, state = self.layer(x, state)
        return self.output(h), state


def online(model: TorchModel, x: Tensor, y: Tensor, k: int) -> list[float]:
    """Train for an epoch by the textbook's algorithm."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    state, losses = None, []
    for t in range(len(x) - k + 1):
        optimizer.zero_grad()
        first, carried = model(x[t : t + 1], state)
        rest, _ = model(x[t + 1 : t + k], carried)
        loss = torch.nn.functional.mse_loss(rest[-1] if k > 1 else first[-1], y[t + k - 1])
        loss.backward()
        optimizer.step()
        state = tuple(s.detach() for s in carried) if isinstance(carried, tuple) else carried.detach()
        losses.append(float(loss.detach()))
    return losses


def whole(model: TorchModel, x: Tensor, y: Tensor, updates: int) -> list[float]:
    """Train steps on one batch."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    parameters, losses = list(model.parameters()), []
    for _ in range(updates):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x, None)[0], y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def timed(call: Callable[[], list[float]]) -> tuple[float, float]:
    """Seconds of a call, and the mean of the losses that it returns."""
    started = time.perf_counter()
    losses = call()
    return time.perf_counter() - started, statistics.fmean(losses)


def compare(
    name: str,
    updates: tuple[int, int],
    plain: Callable[[], list[float]],
    ours: Callable[[int], list[float]],
    seconds: float,
) -> None:
    """Measure alternately; `updates` of torch's and of ours in one measurement."""
    _, expected = timed(plain)
    _, actual = timed(lambda: ours(updates[0]))
    pairs = []
    until = time.perf_counter() + seconds
    while len(pairs) < 5 or time.perf_counter() < until:
        pairs.append((timed(plain)[0] / updates[0], timed(lambda: ours(updates[1]))[0] / updates[1]))
    ratio = statistics.median(a / b for a, b in pairs)
    best = [1 / min(side) for side in zip(*pairs, strict=True)]
    difference = abs(actual - expected) / max(expected, 1e-12)
    print(f"{name:34} {best[0]:10,.0f} {best[1]:10,.0f} {ratio:8.1f}   {difference:.0e}", flush=True)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each row")
    seconds = parser.parse_args().seconds
    torch.set_num_threads(2)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, kernels for {_kernels.isa}")
    print(f"{'':34} {'torch /s':>10} {'ours /s':>10} {'ratio':>8}   difference of losses")
    for layer in LAYERS:
        for hidden, k in ONLINE:
            compare_online(layer, hidden, k, seconds)
    for layer in LAYERS:
        for sizes in STEPS:
            compare_steps(layer, sizes, seconds)


def compare_online(layer: str, hidden: int, k: int, seconds: float) -> None:
    """Compare an update at each step of a sine."""
    wave = torch.sin(0.3 * torch.arange(MANY + k + 1.0)).reshape(-1, 1, 1)
    model = nn.ManyToMany(getattr(nn, layer)(1, hidden), 1)

    def ours(updates: int) -> list[float]:
        history = training.fit(
            copy.deepcopy(model),
            (wave[: updates + k - 1], wave[1 : updates + k]),
            bptt=training.TruncatedBPTT(1, k),
            optimizer="sgd",
            learning_rate=0.01,
            stop=[training.Epochs(1)],
        )
        return [history.records[0].loss]

    def plain() -> list[float]:
        return online(TorchModel(model), wave[: FEW + k - 1], wave[1 : FEW + k], k)

    compare(f"{layer}, online, H = {hidden}, k = {k}", (FEW, MANY), plain, ours, seconds)


def compare_steps(layer: str, sizes: tuple[int, int, int, int], seconds: float) -> None:
    """Compare train steps on random numbers."""
    batch, steps, inputs, hidden = sizes
    model = nn.ManyToMany(getattr(nn, layer)(inputs, hidden), 1)
    x, y = torch.randn(steps, batch, inputs), torch.randn(steps, batch, 1)

    def ours(updates: int) -> list[float]:
        batches = [training.Batch(x, y)] * updates
        history = training.fit(copy.deepcopy(model), batches, clip=1.0, stop=[training.Epochs(1)])
        return [history.records[0].loss]

    def plain() -> list[float]:
        return whole(TorchModel(model), x, y, 10)

    compare(f"{layer}, batch {sizes}", (10, 300), plain, ours, seconds)


if __name__ == "__main__":
    main()
