"""Kernels with processes and threads: fork after use, concurrent callers, very long and empty sequences."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
import threading
import time

import pytest
import torch
from tests.tolerances import assert_close

from throughtime import _kernels, nn, training
from throughtime._core._scan import scan

FORK = """
import os, signal, sys
import torch
from throughtime import _kernels, nn, training

torch.set_num_threads(2)
torch.manual_seed(0)
layer = nn.GRU(8, 64)
x = torch.randn(50, 32, 8)

def gradients():
    layer.zero_grad()
    y, _ = layer(x)
    y.square().sum().backward()
    return [y.detach(), *(p.grad.clone() for p in layer.parameters())]

expected = gradients()  # uses threads
child = os.fork()
if not child:
    signal.alarm(30)
    same = all(torch.equal(a, b) for a, b in zip(gradients(), expected, strict=True))
    os._exit(0 if same else 3)
_, status = os.waitpid(child, 0)
assert all(torch.equal(a, b) for a, b in zip(gradients(), expected, strict=True))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_a_forked_child_computes_the_same() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORK], capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_many_threads_at_once_get_what_one_gets(layer: str) -> None:
    module = getattr(nn, layer)(5, 40, num_layers=2)
    inputs = [torch.randn(20, rows, 5) for rows in (1, 3, 8, 20)]

    def call(x: torch.Tensor) -> list[torch.Tensor]:
        y, _ = module(x)
        return [y, *torch.autograd.grad(y.square().sum(), list(module.parameters()))]

    expected = [call(x) for x in inputs]
    same: list[bool] = []

    def work(which: int) -> None:
        for _ in range(20):
            same.extend(torch.equal(a, b) for a, b in zip(call(inputs[which]), expected[which], strict=True))

    threads = [threading.Thread(target=work, args=(i % len(inputs),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same
    assert all(same)


def test_other_python_threads_run_during_a_call() -> None:
    module = nn.LSTM(64, 256)
    x = torch.randn(300, 32, 64)
    ticks = 0
    done = threading.Event()

    def work() -> None:
        with torch.no_grad():
            module(x)
        done.set()

    with torch.no_grad():
        module(x[:2])
    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        ticks += 1
        time.sleep(1e-4)
    thread.join()
    assert ticks > 5


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_a_hundred_thousand_steps(layer: str) -> None:
    module = getattr(nn, layer)(1, 4, dtype=torch.float64)
    x = torch.randn(100_000, 1, 1, dtype=torch.float64, requires_grad=True)
    y, _ = module(x)
    y[-1].sum().backward()
    last = x.detach()[-500:].requires_grad_()  # what is older has faded
    short, _ = module(last, None)
    (gradient,) = torch.autograd.grad(short[-1].sum(), last)
    assert y.shape == (100_000, 1, 4)
    assert_close(y[-1], short[-1], "forward")
    assert x.grad is not None
    assert_close(x.grad[-500:], gradient, "gradient")


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_no_rows_and_no_steps(layer: str) -> None:
    module = getattr(nn, layer)(3, 9)
    y, finals = module(torch.randn(5, 0, 3))
    assert y.shape == (5, 0, 9)
    assert (finals if isinstance(finals, torch.Tensor) else finals[0]).shape == (1, 0, 9)
    state = tuple(torch.randn(1, 2, 9) for _ in module.cell.states)
    (y,), finals = scan(module.cell, torch.randn(0, 2, 3), state, module.flat_weights(0))
    assert y.shape == (0, 2, 9)
    assert_close(tuple(finals), state, "exact")


def test_more_threads_than_processors_take_no_longer_and_change_nothing() -> None:
    module = nn.LSTM(64, 256)
    x = torch.randn(64, 1, 64)  # one row: threads meet at every step
    seconds, outputs = [], []
    for threads in (2, 64):
        torch.set_num_threads(threads)
        try:
            with torch.no_grad():
                outputs.append(module(x)[0])
                started = time.perf_counter()
                for _ in range(5):
                    module(x)
                seconds.append(time.perf_counter() - started)
        finally:
            torch.set_num_threads(2)
    assert torch.equal(*outputs)
    assert seconds[1] < 10 * seconds[0]  # a thousand times as long without a limit


def test_processors_are_those_of_the_affinity_mask_at_most() -> None:
    assert _kernels._engine is not None
    assert 1 <= _kernels._engine.processors() <= len(os.sched_getaffinity(0))


def test_the_training_engine_goes_on_from_the_state_that_two_threads_have_kept() -> None:
    model = nn.ManyToMany(nn.LSTM(2, 300), 1)  # few rows and much work: the kernels cut the batch by themselves
    batch = torch.randn(12, 4, 2), torch.randn(12, 4, 1)
    weights = []
    other = lambda y, target: torch.nn.functional.mse_loss(y, target)  # noqa: E731, PLW0108  of no name, so not compiled
    for loss in ("mse", other):
        trained = copy.deepcopy(model)
        training.fit(
            trained,
            [batch],
            loss=loss,
            bptt=training.TruncatedBPTT(3, 7),
            optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.5),
            stop=[training.Epochs(2)],
        )
        weights.append(dict(trained.state_dict()))
    assert_close(weights[0], weights[1], "update")


TEAM = """
import os
import torch
from throughtime import _kernels, nn

def threads():
    return len(os.listdir("/proc/self/task"))

torch.set_num_threads(2)
layer, x = nn.GRU(8, 64), torch.randn(50, 32, 8)
alone = threads()
with torch.no_grad():
    layer(x)
assert threads() == alone + 1, "the kernels started no pool, or one with other threads"
torch.randn(1000, 1000) @ torch.randn(1000, 1000)
torch.randn(10**6).exp()
assert threads() == alone + 1, "torch has started threads of its own"
_kernels._release_threads()
assert threads() == alone
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_kernels_and_torch_share_one_pool_of_threads() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", TEAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


ALONE = """
from throughtime import _kernels
assert _kernels.isa
loaded = [line for line in open("/proc/self/maps") if "omp" in line.rpartition("/")[2]]
assert not loaded, loaded
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_kernels_bring_no_runtime_of_openmp() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", ALONE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
