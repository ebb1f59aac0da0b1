"""Each strategy, update by update in float64, against plain transcriptions of the algorithm."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn, training


def textbook(weights: dict[str, torch.Tensor], x: torch.Tensor, p: torch.Tensor, k: int, rate: float) -> list[dict]:
    """The textbook's algorithm for one epoch, by hand: no autograd, one matrix product at a time.

    `p[t]` is the textbook's p_{t+1}. Returns the weights after each update.
    """
    w = {name: value.clone() for name, value in weights.items()}
    n = len(x)
    h = torch.zeros(w["w_h"].shape[0], dtype=torch.float64)
    trail = []
    for t in range(n - k + 1):
        states = [h]
        for s in range(k):
            states.append(torch.tanh(w["w_x"] @ x[t + s] + w["w_h"] @ states[-1] + w["b_h"]))
        e = w["w_y"] @ states[-1] + w["b_y"] - p[t + k - 1]
        de = 2 * e / len(e)  # mean squared error
        change = {name: torch.zeros_like(value) for name, value in w.items()}
        change["w_y"] += torch.outer(de, states[-1])
        change["b_y"] += de
        dh = w["w_y"].T @ de
        for s in reversed(range(k)):
            da = dh * (1 - states[s + 1] ** 2)
            change["w_x"] += torch.outer(da, x[t + s])
            change["w_h"] += torch.outer(da, states[s])
            change["b_h"] += da
            dh = w["w_h"].T @ da
        h = states[1]
        w = {name: value - rate * change[name] for name, value in w.items()}
        trail.append(w)
    return trail


def elman(inputs: int, hidden: int, outputs: int) -> tuple[nn.ManyToMany, dict[str, torch.Tensor]]:
    model = nn.ManyToMany(nn.RNN(inputs, hidden, recurrent_bias=False, dtype=torch.float64), outputs)
    return model, named(model)


def named(model: nn.ManyToMany) -> dict[str, torch.Tensor]:
    layer, output = model.layer, model.output
    values = {
        "w_x": layer.weight_ih_l0,
        "w_h": layer.weight_hh_l0,
        "b_h": layer.bias_ih_l0,
        "w_y": output.weight,
        "b_y": output.bias,
    }
    return {name: value.detach().clone() for name, value in values.items()}


class WeightRecorder(torch.optim.SGD):
    """Remembers the weights after each update."""

    def __init__(self, model: nn.ManyToMany, rate: float) -> None:
        super().__init__(model.parameters(), lr=rate)
        self.model = model
        self.weights: list[dict[str, torch.Tensor]] = []

    def step(self, closure: None = None) -> None:
        super().step(closure)
        self.weights.append(named(self.model))


@pytest.mark.parametrize("k", [1, 2, 5, 12])
def test_truncated_by_one_is_the_textbook_update_by_update(k: int) -> None:
    model, weights = elman(2, 6, 3)
    x = torch.randn(12, 2, dtype=torch.float64)
    p = torch.randn(12, 3, dtype=torch.float64)
    trail = WeightRecorder(model, 0.1)
    training.fit(
        model,
        (x.unsqueeze(1), p.unsqueeze(1)),
        bptt=training.TruncatedBPTT(1, k),
        optimizer=lambda _: trail,
        stop=[training.Epochs(1)],
    )
    expected = textbook(weights, x, p, k, 0.1)
    assert len(trail.weights) == len(expected) == 12 - k + 1
    assert_close(trail.weights, expected, "update")


@pytest.mark.parametrize(("k1", "k2", "steps"), [(2, 5, 13), (3, 3, 13), (4, 6, 5), (5, 8, 8)])
@pytest.mark.parametrize("layer", ["GRU", "LSTM"])
def test_windows_of_any_length_agree_with_plain_loops(layer: str, k1: int, k2: int, steps: int) -> None:
    model = nn.ManyToMany(getattr(nn, layer)(2, 6, dtype=torch.float64), 1)
    reference = torch.nn.ModuleList([getattr(torch.nn, layer)(2, 6), torch.nn.Linear(6, 1)]).double()
    reference[0].load_state_dict(model.layer.state_dict())
    reference[1].load_state_dict(model.output.state_dict())
    x = torch.randn(steps, 3, 2, dtype=torch.float64)
    y = torch.randn(steps, 3, 1, dtype=torch.float64)
    training.fit(
        model,
        (x, y),
        bptt=training.TruncatedBPTT(k1, k2),
        optimizer="sgd",
        learning_rate=0.1,
        stop=[training.Epochs(2)],
    )
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.1)
    for _ in range(2):
        start, state, covered = 0, None, k2 - k1
        while covered < steps:
            stop = min(start + k2, steps)
            h, s, first = [], state, None
            for t in range(start, stop):
                out, s = reference[0](x[t : t + 1], s)
                h.append(out)
                if t - start + 1 == k1:
                    first = tuple(v.detach() for v in s) if isinstance(s, tuple) else s.detach()
            outputs = reference[1](torch.cat(h))[covered - start :]
            optimizer.zero_grad()
            (outputs - y[covered:stop]).square().mean().backward()
            optimizer.step()
            start, state, covered = start + k1, first, stop
    assert_close(dict(model.layer.named_parameters()), dict(reference[0].named_parameters()), "update")


def test_one_window_over_everything_is_full_bptt() -> None:
    results = []
    for bptt in (training.FullBPTT(), training.TruncatedBPTT(9, 9)):
        torch.manual_seed(1)
        model = nn.ManyToMany(nn.LSTM(2, 6), 1)
        x, y = torch.randn(9, 4, 2), torch.randn(9, 4, 1)
        training.fit(model, (x, y), bptt=bptt, stop=[training.Epochs(3)])
        results.append(dict(model.named_parameters()))
    assert_close(results[1], results[0], "exact")


@pytest.mark.parametrize(("k1", "k2"), [(1, 1), (1, 4), (3, 4), (4, 4), (5, 20)])
@pytest.mark.parametrize("steps", [1, 4, 11, 12])
def test_every_step_from_the_first_loss_on_is_trained_on_once(k1: int, k2: int, steps: int) -> None:
    windows = list(training.TruncatedBPTT(k1, k2).windows(steps))
    covered = [t for window in windows for t in range(window.loss_start, window.stop)]
    assert covered == list(range(k2 - k1, steps))
    assert all(window.start == max(0, window.loss_start + k1 - k2) for window in windows)
    check_windows_are_contiguous(windows, k2, steps)


@pytest.mark.parametrize(("k1", "k2"), [(1, 1), (1, 4), (3, 4), (4, 4), (5, 20)])
@pytest.mark.parametrize("steps", [1, 4, 11, 25])
def test_a_piece_that_goes_on_is_trained_on_from_its_first_step(k1: int, k2: int, steps: int) -> None:
    windows = list(training.TruncatedBPTT(k1, k2).windows(steps, continues=True))
    assert [t for window in windows for t in range(window.loss_start, window.stop)] == list(range(steps))
    assert all(window.start == max(0, window.loss_start + k1 - k2) for window in windows)
    check_windows_are_contiguous(windows, k2, steps)


def check_windows_are_contiguous(windows: list[Any], k2: int, steps: int) -> None:
    assert all(0 < window.stop - window.start <= k2 for window in windows)
    assert all(following.start == window.next_start for window, following in pairwise(windows))
    assert all(window.next_start == window.stop == steps for window in windows[-1:])


def test_impossible_windows_are_refused() -> None:
    with pytest.raises(ValueError, match="1 <= k1 <= k2, got k1=5, k2=4"):
        training.TruncatedBPTT(5, 4)


def test_one_target_for_a_sequence_asks_for_full_bptt() -> None:
    model = nn.ManyToOne(nn.GRU(2, 4), 1)
    with pytest.raises(ValueError, match=r"use FullBPTT\(\)"):
        training.fit(model, (torch.randn(9, 4, 2), torch.randn(4, 1)), bptt=training.TruncatedBPTT(2, 4))
