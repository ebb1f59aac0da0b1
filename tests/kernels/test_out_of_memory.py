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
layer = nn.{layer}(1, 8)
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
for _ in range(3):
    try:
        layer({input})
    except (RuntimeError, MemoryError) as error:
        print(type(error).__name__, error)
    else:
        print("returned")
    assert all(torch.equal(a, b) for a, b in zip(gradients(), expected, strict=True))
"""


def outcomes(layer: str, x: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD.format(layer=layer, input=x)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_a_call_says_how_much_it_needs_and_how_much_is_free_and_the_next_one_is_right(layer: str) -> None:
    result = outcomes(layer, "torch.zeros(1, 1, 1).expand(60_000_000, 1, 1)")
    assert len(result) == 3
    for line in result:
        assert line.startswith("RuntimeError out of memory: this call needs")
        assert "MiB are free. Use shorter windows or a smaller batch" in line
