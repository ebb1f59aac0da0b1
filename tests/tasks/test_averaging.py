"""Averaged weights: what an update does to them, and which network is validated."""

from __future__ import annotations

import pytest
import torch

from throughtime.tasks.averaging import AveragedWeights, ValidatedAverage, rising_decay


@pytest.fixture
def trained() -> tuple[torch.nn.Linear, AveragedWeights]:
    """A network whose weight went from 0 to 1 to 2, and its average with a decay of 1/4 and then 1/2."""
    network = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(network.weight)
    average = AveragedWeights(network, lambda update: update / 4)
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    average.follow(optimizer)
    for _ in range(2):
        network.weight.grad = torch.tensor([[-1.0]])
        optimizer.step()
    return network, average


def test_a_decay_is_the_share_of_the_average_that_stays(trained: tuple[torch.nn.Linear, AveragedWeights]) -> None:
    network, average = trained
    assert (network.weight.item(), average.copy.weight.item()) == (2.0, 0.5 * 0.75 + 0.5 * 2.0)
    average.load()
    assert network.weight.item() == 1.375


def test_the_average_answers_in_evaluation_mode(trained: tuple[torch.nn.Linear, AveragedWeights]) -> None:
    network, average = trained
    model, x = ValidatedAverage(network, average), torch.ones(1, 1)
    assert [model.train(mode)(x).item() for mode in (True, False)] == [2.0, 1.375]


def test_a_decay_rises_to_its_limit() -> None:
    decay = rising_decay(0.9)
    assert [decay(update) for update in (1, 9, 1000)] == [0.1, 0.5, 0.9]
