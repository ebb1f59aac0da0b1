"""Recomputing backpropagation: the gradients of full backpropagation, in less memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn, training

if TYPE_CHECKING:
    from collections.abc import Callable

LAYERS = {
    "rnn": lambda **o: nn.RNN(3, 5, **o),
    "gru of 2 layers": lambda **o: nn.GRU(3, 5, num_layers=2, **o),
    "lstm of 2 layers": lambda **o: nn.LSTM(3, 5, num_layers=2, **o),
}
LENGTHS = torch.tensor([23, 4, 0, 11])


def peak_ratio(y: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Ties every output to every other."""
    return (y - target).square().sum() / (1 + y.square().mean()) + y.max()


class Gradients(torch.optim.SGD):
    """Remembers what it was given at each update."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__(model.parameters(), lr=0.1)
        self.model = model
        self.seen: list[dict[str, torch.Tensor]] = []

    def step(self, closure: None = None) -> None:
        self.seen.append({name: p.grad.clone() for name, p in self.model.named_parameters() if p.grad is not None})
        super().step(closure)


def gradients(
    bptt: training.BPTT, build: Callable[[], torch.nn.Module], data: Any, loss: Any = "mse"
) -> tuple[list[dict[str, torch.Tensor]], list[float]]:
    """Of three updates, with the losses."""
    torch.manual_seed(1)
    model = build().double()
    trail = Gradients(model)
    history = training.fit(
        model, data, bptt=bptt, loss=loss, optimizer=lambda _: trail, stop=[training.Epochs(3)], seed=2
    )
    return trail.seen, [record.loss for record in history.records]


def sequences(steps: int = 23, outputs: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(steps, 4, 3, dtype=torch.float64), torch.randn(steps, 4, outputs, dtype=torch.float64)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("loss", ["mse", peak_ratio])
def test_an_output_for_each_step(layer: str, lengths: torch.Tensor | None, loss: Any) -> None:
    data = sequences() if lengths is None else (*sequences(), lengths)

    def build() -> torch.nn.Module:
        return nn.ManyToMany(LAYERS[layer](), 2)

    result = gradients(training.CheckpointedBPTT(), build, data, loss)
    assert_close(result, gradients(training.FullBPTT(), build, data, loss), "gradient")


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
@pytest.mark.parametrize("loss", ["mse", peak_ratio])
def test_one_output_for_a_sequence(layer: str, lengths: torch.Tensor | None, loss: Any) -> None:
    x, y = sequences()
    data = (x, y[0]) if lengths is None else (x, y[0], lengths)

    def build() -> torch.nn.Module:
        return nn.ManyToOne(LAYERS[layer](), 2)

    actual = gradients(training.CheckpointedBPTT(), build, data, loss)
    assert_close(actual, gradients(training.FullBPTT(), build, data, loss), "gradient")


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["whole", "ragged"])
def test_rows_may_come_first_and_targets_may_be_classes(lengths: torch.Tensor | None) -> None:
    x, y = torch.randn(4, 23, 3, dtype=torch.float64), torch.randint(6, (4, 23))
    data = (x, y) if lengths is None else (x, y, lengths)

    def build() -> torch.nn.Module:
        return nn.ManyToMany(nn.GRU(3, 5, batch_first=True), 6)

    actual = gradients(training.CheckpointedBPTT(), build, data, "cross_entropy")
    assert_close(actual, gradients(training.FullBPTT(), build, data, "cross_entropy"), "gradient")


@pytest.mark.parametrize("memory", [0.015, 0.03, 1e3])
def test_a_budget_changes_nothing_but_memory(memory: float) -> None:
    def build() -> torch.nn.Module:
        return nn.ManyToMany(nn.LSTM(3, 5), 2)

    data = sequences()
    actual = gradients(training.CheckpointedBPTT(memory), build, data)
    assert_close(actual, gradients(training.FullBPTT(), build, data), "gradient")


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_short_sequences_are_no_exception(steps: int) -> None:
    def build() -> torch.nn.Module:
        return nn.ManyToMany(nn.LSTM(3, 5), 2)

    data = sequences(steps)
    actual = gradients(training.CheckpointedBPTT(), build, data)
    assert_close(actual, gradients(training.FullBPTT(), build, data), "gradient")


def test_a_single_sequence_needs_no_rows() -> None:
    def build() -> torch.nn.Module:
        return nn.ManyToMany(nn.LSTM(3, 5), 2)

    x, y = sequences()
    data = [training.Batch(x[:, 0], y[:, 0])]
    actual = gradients(training.CheckpointedBPTT(), build, data)
    assert_close(actual, gradients(training.FullBPTT(), build, data), "gradient")


def test_the_state_goes_on_over_batches() -> None:
    x, y = sequences()
    keep, start = torch.tensor([False, True, False, False]), torch.ones(4, dtype=torch.bool)
    data = [training.Batch(x[:10], y[:10], None, start), training.Batch(x[10:], y[10:], None, keep)]

    def build() -> torch.nn.Module:
        return nn.ManyToMany(nn.LSTM(3, 5), 2)

    actual = gradients(training.CheckpointedBPTT(), build, data)
    assert_close(actual, gradients(training.FullBPTT(), build, data), "gradient")


def test_dropout_draws_the_same_numbers_in_both_runs() -> None:
    """The gradient is that of the loss that was seen: it is compared with differences of that loss."""
    torch.manual_seed(1)
    model = nn.ManyToMany(nn.GRU(3, 5, num_layers=2, dropout=0.5, dtype=torch.float64), 2)
    data, step = sequences(), 1e-6
    before = {name: p.detach().clone() for name, p in model.named_parameters()}

    def loss_of(shift: float) -> tuple[float, dict[str, torch.Tensor]]:
        model.load_state_dict(before)
        with torch.no_grad():
            dict(model.named_parameters())["layer.weight_hh_l0"][0, 0] += shift
        trail = Gradients(model)
        history = training.fit(
            model,
            data,
            bptt=training.CheckpointedBPTT(),
            optimizer=lambda _: trail,
            stop=[training.Epochs(1)],
            seed=5,
        )
        return history.records[0].loss, trail.seen[0]

    high, low = loss_of(step)[0], loss_of(-step)[0]
    expected = loss_of(0.0)[1]["layer.weight_hh_l0"][0, 0]
    assert_close((high - low) / (2 * step), float(expected), "difference")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: nn.ManyToMany(nn.GRU(3, 5, bidirectional=True), 2), r"one direction.*use FullBPTT\(\)"),
        (lambda: torch.nn.Linear(3, 2), r"expected \(y, state\) from Linear"),
    ],
)
def test_what_cannot_be_cut_is_refused(build: Callable[[], torch.nn.Module], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gradients(training.CheckpointedBPTT(), build, sequences())


def test_a_budget_that_is_too_small_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match=r"at least memory=0\.00\d+ MiB for 23 steps"):
        gradients(training.CheckpointedBPTT(1e-5), lambda: nn.ManyToMany(nn.GRU(3, 5), 2), sequences())
    with pytest.raises(ValueError, match="memory > 0 MiB"):
        training.CheckpointedBPTT(0.0)


@pytest.mark.parametrize("memory", [0.1, 0.2, 1.0, 30.0])
@pytest.mark.parametrize("steps", [40, 1000, 1001])
def test_segments_are_the_longest_that_fit(memory: float, steps: int) -> None:
    step, border = 3000, 900
    try:
        k = training.CheckpointedBPTT(memory).segment_length(steps, step, border)
    except ValueError:
        assert all(k * step + (steps / k + 1) * border > memory * 2**20 for k in range(1, steps + 1))
        return
    assert k * step + (steps / k + 1) * border <= memory * 2**20
    assert k == steps or (k + 1) * step + (steps / (k + 1) + 1) * border > memory * 2**20


def test_without_a_budget_there_are_as_many_segments_as_steps_in_each() -> None:
    assert [training.CheckpointedBPTT().segment_length(steps, 0, 0) for steps in (1, 2, 4, 5, 10000)] == [
        1,
        2,
        2,
        3,
        100,
    ]


def peak(*arguments: object) -> dict[str, float]:
    """One measurement of `benchmarks/memory.py`, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", "--one", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def test_memory_stays_under_the_budget() -> None:
    full = peak("lstm", 4000, "full")
    budget = peak("lstm", 4000, "24")
    assert full["mib"] > 150, "the full gradient needs more than the budget"
    assert budget["mib"] < 24 + 16, "16 MiB for what does not depend on T: pools, the optimiser, the targets"


@pytest.mark.slow
@pytest.mark.parametrize("layer", ["rnn", "gru", "lstm"])
def test_a_hundred_thousand_steps_fit_into_a_gibibyte(layer: str) -> None:
    assert peak(layer, 100_000, "sqrt")["process_mib"] < 1024
