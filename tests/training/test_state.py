"""The state of a training: what it saves is what it restores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from tests.tolerances import assert_close

from throughtime import nn
from throughtime.io import state as state_file
from throughtime.training._distributed import DistributedContext
from throughtime.training._history import History
from throughtime.training._state import TrainingState
from throughtime.training._updates import UpdateResult

if TYPE_CHECKING:
    from throughtime.training import Record


def new_state() -> TrainingState:
    model = nn.ManyToMany(nn.GRU(2, 3), 1)
    optimizer = torch.optim.Adam(model.parameters())
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)
    state = TrainingState(model, optimizer, scheduler, DistributedContext(), "general: a test")
    state.start()
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    optimizer.step()
    scheduler.step()
    return state


def epoch(state: TrainingState, loss: float) -> Record:
    state.epoch.begin(state.updates)
    state.add(UpdateResult([loss, loss], [1.0, 3.0], [4, 4], torch.ones(1, 2, 3)), clip=2.0)
    state.validation_loss = loss
    return state.end_epoch(validated=True)


def packed(values: dict[str, Any]) -> tuple[Any, dict[str, torch.Tensor]]:
    """Return values without the time, as they are written: plain values and tensors."""
    return state_file.pack({name: value for name, value in values.items() if name != "seconds"})


def test_a_state_is_restored_as_it_was_saved() -> None:
    saved, restored = new_state(), new_state()
    epoch(saved, 0.5)
    saved.epoch.begin(saved.updates)
    saved.add(UpdateResult([0.7], [1.0], [4], torch.full((1, 2, 3), 2.0)), clip=2.0)
    saved.epoch.position = 1
    values = saved.state_dict()
    restored.check(values)
    restored.load_state_dict(values, History.from_lines(saved.history.to_lines().splitlines(), values))
    assert restored.history == saved.history
    assert restored.updates == 3
    assert restored.epoch_updates == 1
    (plain, tensors), (expected_plain, expected_tensors) = packed(restored.state_dict()), packed(values)
    assert plain == expected_plain
    assert_close(tensors, expected_tensors, "exact")
    assert restored.seconds >= values["seconds"]


def test_the_best_weights_are_those_of_the_lowest_validation_loss() -> None:
    state = new_state()
    record = epoch(state, 0.5)
    assert (record.loss, record.gradient_norm, record.clipped) == (0.5, 2.0, 0.5)
    best = {name: value.clone() for name, value in state.model.state_dict().items()}
    with torch.no_grad():
        state.model.output.bias.fill_(9.0)
    epoch(state, 0.6)
    state.restore_best()
    assert_close(dict(state.model.state_dict()), best, "exact")
