"""Out of memory is an exception: the process, the layer and the memory pool stay usable."""

from __future__ import annotations

import subprocess
import sys

import pytest

CHILD = """
import resource
import torch
from throughtime import nn

torch.set_num_threads(2)
torch.manual_seed(0)
layer = nn.{layer}(1, 8, num_layers={layers})
x = torch.randn(20, 3, 1)

def gradients():
    layer.zero_grad()
    y = layer(x)[0]
    y.square().sum().backward()
    return [y.detach(), *(p.grad.clone() for p in layer.parameters())]

expected = gradients()
with open("/proc/self/status") as status:
    used = next(int(line.split()[1]) << 10 for line in status if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, (used + (600 << 20),) * 2)
def peak():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) >> 10 for line in status if line.startswith("VmPeak"))

before = peak()
for _ in range(3):
    try:
        with torch.set_grad_enabled({gradients}):
            layer({input})
    except (RuntimeError, MemoryError) as error:
        print(type(error).__name__, error)
    else:
        print("returned")
    assert {layers} == 1 or peak() - before < 64, (peak(), before)  # MiB
    assert all(torch.equal(a, b) for a, b in zip(gradients(), expected, strict=True))
"""


def outcomes(layer: str, steps: int, *, layers: int = 1, gradients: bool = True) -> list[str]:
    x = f"torch.zeros(1, 1, 1).expand({steps}, 1, 1)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD.format(layer=layer, input=x, layers=layers, gradients=gradients)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_a_call_says_how_much_it_needs_and_how_much_is_free_and_the_next_one_is_right(layer: str) -> None:
    result = outcomes(layer, 60_000_000)
    assert len(result) == 3
    for line in result:
        assert line.startswith("RuntimeError out of memory: this call needs")
        assert "MiB are free. Use shorter windows or a smaller batch" in line


@pytest.mark.parametrize(("steps", "gradients"), [(700_000, True), (12_000_000, False)])
def test_a_stack_that_does_not_fit_is_refused_before_its_first_layer_runs(steps: int, gradients: bool) -> None:
    for line in outcomes("LSTM", steps, layers=3, gradients=gradients):
        assert line.startswith("RuntimeError out of memory: the 3 layers of this call need")
