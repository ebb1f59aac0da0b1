"""The benchmark measures what it says."""

from __future__ import annotations

import time

import torch

from throughtime.app import bench


def test_a_row_compares_two_layers_that_compute_the_same() -> None:
    row = bench.measure("GRU", (2, 3, 4, 5), "training", 0.0, peak=1e9)
    work = 2 * 3 * 5 * (2 * (5 + 4) + 5) * 2 * 3  # forward, weights, and through the state
    assert row.torch_ms > 0
    assert row.peak_share == work / (row.ours_ms * 1e-3) / 1e9


def test_the_ratio_is_above_one_where_ours_is_faster(monkeypatch) -> None:
    def slow(_: torch.nn.GRU, *inputs: torch.Tensor) -> tuple[torch.Tensor, None]:
        time.sleep(0.02)
        return inputs[0], None

    monkeypatch.setattr(torch.nn.GRU, "forward", slow)
    assert bench.measure("GRU", (2, 3, 4, 5), "inference", 0.0, peak=1e9).ratio > 2
