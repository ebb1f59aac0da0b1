"""The benchmark measures what it says."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn
from throughtime.app.bench import benchmark, processor
from throughtime.app.bench.peers import peers
from throughtime.app.bench.processor import Processor


class Steady(Processor):
    """A processor that is free or not at each call, as listed, and free after them."""

    def __init__(self, *moments: bool) -> None:
        self.moments = [*moments]
        self.peak = 1e9

    def is_free(self) -> bool:
        return self.moments.pop(0) if self.moments else True


class Busy(Steady):
    def is_free(self) -> bool:
        return False


def test_a_row_compares_two_layers_that_compute_the_same() -> None:
    row = benchmark.measure("GRU", (2, 3, 4, 5), "training", 0.0, Steady())
    work = 2 * 3 * 5 * (2 * (5 + 4) + 5) * 2 * 3  # forward, weights, and through the state
    assert row.torch_ms > 0
    assert row.peak_share == pytest.approx(work / (row.ours_ms * 1e-3) / 1e9)


def test_the_ratio_is_above_one_where_ours_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(_: torch.nn.GRU, *inputs: torch.Tensor) -> tuple[torch.Tensor, None]:
        time.sleep(0.02)
        return inputs[0], None

    monkeypatch.setattr(torch.nn.GRU, "forward", slow)
    assert benchmark.measure("GRU", (2, 3, 4, 5), "inference", 0.0, Steady()).ratio > 2


@pytest.mark.parametrize("layer", benchmark.LAYERS)
def test_peers_compute_what_the_layer_computes(layer: str) -> None:
    torch.manual_seed(0)
    ours = getattr(nn, layer)(3, 5)
    x, dy = torch.randn(7, 2, 3), torch.randn(7, 2, 5)
    y = ours(x)[0]
    for call in peers(ours, x, None).values():
        assert_close(torch.from_numpy(np.array(call())), y.detach(), "forward")
    y.backward(dy)
    for call in peers(ours, x, dy).values():
        result = [torch.from_numpy(np.array(gradient)) for gradient in call()]
        assert_close(result, [p.grad for p in ours.parameters()], "gradient")


def test_a_peer_has_a_ratio_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "peers", lambda *_: {"slow": lambda: time.sleep(0.02)})
    row = benchmark.measure("GRU", (2, 3, 4, 5), "inference", 0.0, Steady())
    assert row.others["slow"] > row.ratio


def test_rounds_count_only_if_the_processor_was_free_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "_MIN_SECONDS", 0.0)
    monkeypatch.setattr(benchmark, "_PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(benchmark, "WARM_UP_SECONDS", 0.0)
    monkeypatch.setattr(benchmark, "_time_call", lambda call, _: call())
    calls = itertools.count(1)  # one to begin with, and two in each round, of which the second one is timed
    times, contended = benchmark._measure_rounds({"ours": lambda: next(calls)}, 0.02, Steady(True, True, False, True))
    assert not contended
    assert times["ours"][:3] == [3, 9, 11]


def test_calls_warm_up_before_they_are_measured() -> None:
    waits = iter([0.01])  # the threads of the first call wake on one core
    assert benchmark._warm_up(lambda: time.sleep(next(waits, 0.001))) < 0.01


def test_a_row_that_was_never_measured_alone_is_marked() -> None:
    row = benchmark.measure("GRU", (2, 3, 4, 5), "inference", 0.0, Busy())
    assert row.contended
    assert row.ratio > 0


def test_a_processor_is_free_if_it_reaches_about_its_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processor, "WARM_UP_SECONDS", 0.0)
    inputs = iter([100.0, 90.0, 50.0, 120.0, 90.0])
    monkeypatch.setattr(Processor, "_probe", lambda _: next(inputs))
    ours = Processor(1, search_seconds=0.0)
    assert [ours.is_free() for _ in range(4)] == [True, False, True, False]
    assert ours.peak == 120.0


def test_a_processor_gets_time_to_become_free(monkeypatch: pytest.MonkeyPatch) -> None:
    speeds = iter([100.0, 50.0, 50.0, 95.0])
    monkeypatch.setattr(Processor, "_probe", lambda _: next(speeds))
    assert Processor(1, search_seconds=0.0).is_free()


def test_the_peak_is_measured() -> None:
    assert Processor(1, search_seconds=0.0).peak > 1e9
