"""The training loop: stopping, failures, state across batches, masked steps."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn, training


def model_of(**options: Any) -> nn.ManyToMany:
    return nn.ManyToMany(nn.GRU(1, 6, **options), 1)


def sine(rows: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    t = torch.arange(21).unsqueeze(1) / 3 + torch.arange(rows)
    values = t.sin().unsqueeze(-1)
    return values[:-1], values[1:]


@pytest.mark.parametrize(
    ("stop", "updates"),
    [
        (training.Epochs(3), 3),
        (training.Updates(5), 5),
        (training.TargetLoss(1e9), 1),
        (training.GradientNorm(1e9), 1),
        (training.Seconds(0.0), 0),
        (training.Epochs(0), 0),
    ],
    ids=str,
)
def test_a_criterion_ends_the_training(stop: training.Epochs, updates: int) -> None:
    history = training.fit(model_of(), sine(), stop=[stop, training.Epochs(50)])
    assert history.stop_reason == str(stop)
    assert (history.records[-1].updates if history.records else 0) == updates


def test_patience_waits_for_the_validation_loss_and_the_best_weights_come_back() -> None:
    model, x_y = model_of(), sine()
    wrong = (x_y[0], -x_y[1])  # learning one unlearns the other
    seen: list[tuple[float, dict[str, torch.Tensor]]] = []

    def remember(progress: training.Progress) -> None:
        assert progress.validation_loss is not None
        seen.append((progress.validation_loss, {k: v.clone() for k, v in model.state_dict().items()}))

    stop = [training.Patience(4), training.Epochs(200)]
    history = training.fit(model, x_y, validation=wrong, learning_rate=0.05, stop=stop, callbacks=[remember])
    assert history.stop_reason == str(training.Patience(4))
    assert history.best is not None
    assert len(history) == history.best.epoch + 4
    _, best = min(seen, key=lambda pair: pair[0])
    assert_close(model.state_dict(), best, "exact")
    assert training.evaluate(model, wrong) == history.best.validation_loss


def test_training_learns() -> None:
    history = training.fit(model_of(), sine(), learning_rate=0.02, stop=[training.Epochs(150)], clip=1.0, seed=1)
    assert history.records[-1].loss < 0.05 * history.records[0].loss


def test_the_gradient_is_clipped_to_the_norm_asked_for() -> None:
    model = model_of()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    history = training.fit(model, sine(), clip=1e-3, optimizer="sgd", learning_rate=1.0, stop=[training.Updates(1)])
    moved = torch.cat([(v - before[k]).flatten() for k, v in model.state_dict().items()]).norm()
    assert math.isclose(float(moved), 1e-3, rel_tol=1e-3)
    assert history.records[0].clipped == 1.0
    assert history.records[0].gradient_norm > 1e-3


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_loss_that_is_no_number_stops_at_once_and_keeps_the_weights(poison: float) -> None:
    model, (x, y) = model_of(), sine()
    bad = y.clone()
    bad[7] = poison
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(training.NonFiniteLoss, match=r"target y has (nan|inf) at step 7, sequence 0, feature 0"):
        training.fit(model, (x, bad), bptt=training.TruncatedBPTT(5, 5))
    assert all(torch.isfinite(v).all() for v in model.state_dict().values())
    assert any(not torch.equal(v, before[k]) for k, v in model.state_dict().items()), "the first update was good"


def test_ctrl_c_keeps_the_best_weights_and_the_history() -> None:
    def interrupt(progress: training.Progress) -> None:
        if progress.updates == 3:
            raise KeyboardInterrupt

    model, data = model_of(), sine()
    with pytest.raises(training.Interrupted) as caught:
        training.fit(model, data, validation=data, callbacks=[interrupt])
    history = caught.value.history
    assert history.stop_reason == "interrupted"
    assert len(history) == 3
    assert training.evaluate(model, data) == history.best.validation_loss


def test_steps_behind_the_end_are_neither_trained_on_nor_seen() -> None:
    x, y = sine()
    lengths = torch.tensor([20, 3, 0, 11])
    beyond = torch.arange(20).unsqueeze(1) >= lengths
    results = []
    for filler in (0.0, 1e6):
        torch.manual_seed(1)
        model = model_of()
        data = (x.masked_fill(beyond.unsqueeze(-1), filler), y.masked_fill(beyond.unsqueeze(-1), filler), lengths)
        for bptt in (training.FullBPTT(), training.TruncatedBPTT(3, 7)):
            training.fit(model, data, bptt=bptt, stop=[training.Epochs(2)])
        results.append(dict(model.state_dict()))
    assert_close(results[1], results[0], "exact")


def test_the_state_goes_on_where_no_row_is_reset() -> None:
    x, y = sine()
    keep = torch.zeros(4, dtype=torch.bool)
    start = torch.ones(4, dtype=torch.bool)
    halves = [training.Batch(x[:10], y[:10], None, start), training.Batch(x[10:], y[10:], None, keep)]
    model = model_of()
    assert math.isclose(training.evaluate(model, halves), training.evaluate(model, (x, y)), rel_tol=1e-6)
    fresh = [half._replace(reset=None) for half in halves]
    assert not math.isclose(training.evaluate(model, fresh), training.evaluate(model, (x, y)), rel_tol=1e-6)
    some = [halves[0], halves[1]._replace(reset=torch.tensor([True, False, False, False]))]
    assert training.evaluate(model, some) not in (training.evaluate(model, halves), training.evaluate(model, fresh))


def test_carried_chunks_train_as_one_sequence_cut_in_chunks() -> None:
    x, y = sine()
    flags = [torch.ones(4, dtype=torch.bool), torch.zeros(4, dtype=torch.bool)]
    halves = [training.Batch(x[a : a + 10], y[a : a + 10], None, flags[a // 10]) for a in (0, 10)]
    results = []
    for data, bptt in ((halves, training.FullBPTT()), ((x, y), training.TruncatedBPTT(10, 10))):
        torch.manual_seed(1)
        model = model_of()
        training.fit(model, data, bptt=bptt, stop=[training.Epochs(3)])
        results.append(dict(model.state_dict()))
    assert_close(results[1], results[0], "exact")


def test_the_same_seed_gives_the_same_training_and_leaves_the_generator_alone() -> None:
    x, y = sine(9)
    batches = training.Batches(x, y, batch_size=2, time_first=True)
    results = []
    for _ in range(2):
        torch.manual_seed(1)
        model = nn.ManyToMany(nn.GRU(1, 6, num_layers=2, dropout=0.5), 1)
        training.fit(model, batches, seed=7, stop=[training.Epochs(2)])
        results.append((dict(model.state_dict()), torch.rand(1)))
    assert_close(results[1], results[0], "exact")
    torch.manual_seed(1)
    nn.ManyToMany(nn.GRU(1, 6, num_layers=2, dropout=0.5), 1)
    assert_close(torch.rand(1), results[0][1], "exact")


def test_time_may_come_second() -> None:
    x, y = sine()
    results = []
    for batch_first in (False, True):
        torch.manual_seed(1)
        model = model_of(batch_first=batch_first)
        data = (x.transpose(0, 1), y.transpose(0, 1)) if batch_first else (x, y)
        training.fit(model, data, bptt=training.TruncatedBPTT(3, 7), stop=[training.Epochs(2)])
        results.append(dict(model.state_dict()))
    assert_close(results[1], results[0], "update")


def test_a_schedule_takes_a_step_after_each_update() -> None:
    def halve(optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        return torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)

    history = training.fit(model_of(), sine(), learning_rate=0.8, schedule=halve, stop=[training.Epochs(3)])
    assert history.records[-1].learning_rate == pytest.approx(0.1)


def test_any_torch_module_trains() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    history = training.fit(model, sine(), stop=[training.Epochs(5)])
    assert history.records[-1].loss < history.records[0].loss


def test_history_survives_as_lines() -> None:
    history = training.fit(model_of(), sine(), validation=sine(), stop=[training.Epochs(3)])
    assert training.History.from_lines(history.to_lines().splitlines(), history.termination) == history


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "rmse"}, "loss: expected one of mse"),
        ({"optimizer": "adman"}, "optimizer: expected one of sgd"),
        ({"data": iter([])}, "iterated again"),
        ({"data": []}, "got none to train on"),
        ({"data": (torch.zeros(3, 2, 1), torch.zeros(3, 2))}, "expected the shape"),
    ],
)
def test_what_does_not_fit_is_said(options: dict[str, Any], message: str) -> None:
    data = options.pop("data", sine())
    with pytest.raises(ValueError, match=message):
        training.fit(model_of(), data, **options)


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("path", ["compiled", "general"])
@pytest.mark.parametrize(
    "bptt", [training.FullBPTT(), training.TruncatedBPTT(3, 3), training.CheckpointedBPTT()], ids=str
)
def test_every_target_weighs_alike_in_a_loss(batch_first: bool, path: str, bptt: Any) -> None:
    layer = nn.RNN(2, 4, batch_first=batch_first)
    model = nn.ManyToMany(layer, 1, output_activation="identity" if path == "compiled" else "tanh")
    data = [training.Batch(torch.randn(t, n, 2), torch.randn(t, n, 1)) for t, n in ((7, 4), (7, 1), (3, 5))]
    if batch_first:
        data = [training.Batch(x.transpose(0, 1), y.transpose(0, 1)) for x, y, *_ in data]
    with torch.no_grad():
        errors = torch.cat([(model(x)[0] - y).square().flatten() for x, y, *_ in data])
    losses = {"evaluated": training.evaluate(model, data)}
    if not bptt.needs_step_targets:
        losses["trained"] = training.fit(model, data, bptt=bptt, learning_rate=0.0, stop=[training.Epochs(1)]).best.loss
    assert losses == pytest.approx(dict.fromkeys(losses, float(errors.mean())), rel=1e-5)
