"""Groups of batches in one call of the engine: the same bits as one batch after the other."""

from __future__ import annotations

import copy
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn, training
from throughtime.training import _fused

if TYPE_CHECKING:
    from collections.abc import Iterator

INPUTS, OUTPUTS = 2, 3
SIZES = [(7, 4)] * 5 + [(7, 2)] + [(9, 4)] * 3 + [(7, 4)] * 4  # steps and rows of each batch


class Reader:
    """Batches that nobody may ask for before others are trained on."""

    def __init__(self, batches: list[training.Batch]) -> None:
        self.batches = batches

    def __iter__(self) -> Iterator[training.Batch]:
        return iter(self.batches)


def batches(layout: type, loss: str, *, batch_first: bool) -> list[training.Batch]:
    built = []
    for steps, rows in SIZES:
        x = torch.randn(steps, rows, INPUTS)
        shape = (rows,) if layout is nn.ManyToOne else (steps, rows)
        y = torch.randint(OUTPUTS, shape) if loss == "cross_entropy" else torch.randn(*shape, OUTPUTS)
        if batch_first:
            x, y = x.transpose(0, 1), y if layout is nn.ManyToOne else y.transpose(0, 1)
        built.append(training.Batch(x, y))
    return built


def trained(model: torch.nn.Module, data: Any, **options: Any) -> tuple[list[int], dict[str, Any], list[Any]]:
    """How many updates were made in each call of the engine; weights; records without their times."""
    calls, updates = [], _fused.FusedUpdater.update

    def count_updates(self: Any, *arguments: Any, **settings: Any) -> Any:
        done = updates(self, *arguments, **settings)
        calls.append(len(done.losses))
        return done

    model = copy.deepcopy(model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_fused.FusedUpdater, "update", count_updates)
        history = training.fit(model, data, **options)
    assert history.path == "compiled"
    records = [{name: value for name, value in asdict(r).items() if name != "seconds"} for r in history.records]
    return calls, dict(model.state_dict()), [{k: -1 if v is None else v for k, v in r.items()} for r in records]


@pytest.mark.parametrize("layer", ["RNN", "LSTM"])
@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize(
    ("layout", "bptt"),
    [
        (nn.ManyToMany, training.FullBPTT()),
        (nn.ManyToMany, training.TruncatedBPTT(2, 5)),
        (nn.ManyToOne, training.FullBPTT()),
    ],
)
def test_batches_in_one_go_are_batches_one_after_the_other(
    layer: str, loss: str, batch_first: bool, layout: Any, bptt: Any
) -> None:
    model = layout(getattr(nn, layer)(INPUTS, 9, num_layers=2, batch_first=batch_first), OUTPUTS)
    data = batches(layout, loss, batch_first=batch_first)
    options: dict[str, Any] = {
        "loss": loss,
        "bptt": bptt,
        "clip": 0.5,
        "schedule": lambda o: torch.optim.lr_scheduler.OneCycleLR(o, 0.1, total_steps=1000),
        "stop": [training.Epochs(9), training.Updates(70)],
    }
    together, alone = trained(model, data, **options), trained(model, Reader(data), **options)
    assert max(together[0]) > max(alone[0])
    assert sum(together[0]) == sum(alone[0])
    assert_close(together[1:], alone[1:], "exact")


def test_a_loss_that_is_no_number_names_its_batch_and_keeps_the_weights_before_it() -> None:
    model = nn.ManyToMany(nn.GRU(INPUTS, 9), OUTPUTS)
    data = batches(nn.ManyToMany, "mse", batch_first=False)[:5]
    expected = copy.deepcopy(model)
    training.fit(expected, Reader(data[:4]), stop=[training.Epochs(1)])
    data[4].y[3] = torch.inf
    with pytest.raises(training.NonFiniteLoss, match=r"inf at step 3, .* \(batch 5\), and so the loss is inf"):
        training.fit(model, data, stop=[training.Epochs(1)])
    assert_close(dict(model.state_dict()), dict(expected.state_dict()), "exact")


def test_a_stream_is_not_put_together() -> None:
    model = nn.ManyToMany(nn.LSTM(INPUTS, 9), OUTPUTS)
    begins = [torch.tensor([number == 0] * 4) for number in range(4)]
    stream = [
        training.Batch(torch.randn(7, 4, INPUTS), torch.randn(7, 4, OUTPUTS), None, flags)
        for flags in [*begins, *begins]
    ]
    together, alone = (trained(model, inputs, stop=[training.Epochs(3)]) for inputs in (stream, Reader(stream)))
    assert_close(together[1:], alone[1:], "exact")


def test_only_batches_at_hand_are_asked_for_beforehand() -> None:
    model = nn.ManyToMany(nn.RNN(INPUTS, 9), OUTPUTS)
    x, y = torch.empty(7, 4, INPUTS), torch.randn(7, 4, OUTPUTS)

    class Refilled:
        """A reader that fills the same memory again."""

        def __iter__(self) -> Iterator[training.Batch]:
            for number in range(40):
                x.fill_(number / 40)
                yield training.Batch(x, y)

    copies = [training.Batch(torch.full_like(x, number / 40), y) for number in range(40)]
    actual, expected = (trained(model, data, stop=[training.Epochs(3)]) for data in (Refilled(), copies))
    assert_close(actual[1:], expected[1:], "exact")


def test_batches_are_the_rows_of_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("throughtime.data.batches._MAX_GATHERED_ELEMENTS", 200)
    x, y, lengths = torch.randn(7, 23, INPUTS), torch.randn(23), torch.arange(23)
    torch.manual_seed(5)
    actual = list(training.Batches(x, y, lengths, batch_size=4, time_first=True))
    torch.manual_seed(5)
    order = torch.randperm(23).split(4)
    expected = [(x[:, rows], y[rows], lengths[rows]) for rows in order]
    assert_close([batch[:3] for batch in actual], expected, "exact")


def test_callbacks_are_heard_and_time_is_kept_between_runs() -> None:
    model = nn.ManyToMany(nn.GRU(1, 32), 1)
    data = [training.Batch(torch.randn(50, 16, 1), torch.randn(50, 16, 1))] * 1_000_000
    heard = []
    history = training.fit(model, data, stop=[training.Seconds(0.5)], callbacks=[heard.append])
    assert history.stop_reason == "Seconds(seconds=0.5)"
    assert history.records[0].seconds < 2
    assert len(heard) >= 2
