"""Layers on other devices than the CPU, where there are some."""

from __future__ import annotations

import pytest
import torch
from tests.layers import NAMES, OF_TORCH
from tests.tolerances import assert_close

import throughtime as tt
from throughtime import nn, training

DEVICES = [name for name in ("cuda", "mps", "xpu") if getattr(torch, name).is_available()]
pytestmark = [
    pytest.mark.skipif(not DEVICES, reason="needs another device than the CPU: CUDA, MPS or XPU"),
    pytest.mark.parametrize("device", DEVICES or ["none"]),
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("arguments", [{}, {"lengths": [6, 0, 3]}, {"mask": torch.arange(18).reshape(6, 3) % 4 > 0}])
def test_a_device_computes_what_the_cpu_computes(device: str, name: str, arguments: dict[str, object]) -> None:
    layer, x = getattr(nn, name)(3, 5, 2, bidirectional=True), torch.randn(6, 3, 3)
    expected, _ = layer(x, **arguments)
    expected_gradients = torch.autograd.grad(expected.sum(), list(layer.parameters()))
    layer.to(device)
    y, _ = layer(x.to(device), **arguments)
    gradients = torch.autograd.grad(y.sum(), list(layer.parameters()))
    actual = [tensor.cpu() for tensor in (y, *gradients)]
    assert_close(actual, [expected, *expected_gradients], "device")


@pytest.mark.parametrize("name", OF_TORCH)
def test_standard_cells_take_torchs_operator(device: str, name: str) -> None:
    layer = getattr(nn, name)(3, 5, device=device)
    assert tt.which_path(layer, torch.randn(4, 2, 3, device=device)).startswith("torch: ")


def test_a_training_runs_on_the_device_of_the_model(device: str) -> None:
    model = nn.ManyToMany(nn.LSTM(2, 5), 1).to(device)
    data = [(torch.randn(12, 4, 2, device=device), torch.randn(12, 4, 1, device=device))]
    history = training.fit(model, data, loss=torch.nn.MSELoss(), stop=[training.Epochs(3)])
    assert history.records[-1].loss < history.records[0].loss
