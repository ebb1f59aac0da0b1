"""The benchmark measures what it says."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn
from throughtime.app import bench
from throughtime.app.peers import peers


def test_a_row_compares_two_layers_that_compute_the_same() -> None:
    row = bench.measure("GRU", (2, 3, 4, 5), "training", 0.0, peak=1e9)
    work = 2 * 3 * 5 * (2 * (5 + 4) + 5) * 2 * 3  # forward, weights, and through the state
    assert row.torch_ms > 0
    assert row.peak_share == work / (row.ours_ms * 1e-3) / 1e9


def test_the_ratio_is_above_one_where_ours_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(_: torch.nn.GRU, *inputs: torch.Tensor) -> tuple[torch.Tensor, None]:
        time.sleep(0.02)
        return inputs[0], None

    monkeypatch.setattr(torch.nn.GRU, "forward", slow)
    assert bench.measure("GRU", (2, 3, 4, 5), "inference", 0.0, peak=1e9).ratio > 2


@pytest.mark.parametrize("layer", bench.LAYERS)
def test_peers_compute_what_the_layer_computes(layer: str) -> None:
    torch.manual_seed(0)
    ours = getattr(nn, layer)(3, 5)
    x, dy = torch.randn(7, 2, 3), torch.randn(7, 2, 5)
    y = ours(x)[0]
    for call in peers(ours, x, None).values():
        assert_close(torch.from_numpy(np.array(call())), y.detach(), "forward")
    y.backward(dy)
    for call in peers(ours, x, dy).values():
        found = [torch.from_numpy(np.array(gradient)) for gradient in call()]
        assert_close(found, [p.grad for p in ours.parameters()], "gradient")


def test_a_peer_has_a_ratio_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "peers", lambda *_: {"slow": lambda: time.sleep(0.02)})
    row = bench.measure("GRU", (2, 3, 4, 5), "inference", 0.0, peak=1e9)
    assert row.others["slow"] > row.ratio
