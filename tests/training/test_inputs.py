"""What `fit`, `evaluate` and `doctor` read: the order of rows and steps, and values that are not finite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn, training

if TYPE_CHECKING:
    from collections.abc import Callable

STRATEGIES = [training.FullBPTT(), training.TruncatedBPTT(4, 4), training.CheckpointedBPTT()]


class Net(torch.nn.Module):
    """A module of one's own, which does not say how its inputs come."""

    def __init__(self, layer: Callable[..., torch.nn.Module], *, batch_first: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.rnn, self.out = layer(2, 3, batch_first=batch_first), torch.nn.Linear(3, 1)

    def forward(self, x: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        y, state = self.rnn(x, state)
        return self.out(y), state


def data() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(12, 5, 2, generator=torch.Generator().manual_seed(1))
    return x, x.cumsum(0)[..., :1]


@pytest.mark.parametrize("bptt", STRATEGIES, ids=str)
@pytest.mark.parametrize("layer", [nn.LSTM, torch.nn.LSTM, nn.GRU, torch.nn.RNN])
def test_rows_first_inside_a_module_of_ones_own_is_seen(layer: Callable[..., torch.nn.Module], bptt: Any) -> None:
    x, y = data()
    first, other = Net(layer, batch_first=False), Net(layer, batch_first=True)
    stop = [training.Epochs(2)]
    expected = training.fit(first, (x, y), bptt=bptt, stop=stop)
    found = training.fit(other, (x.transpose(0, 1), y.transpose(0, 1)), bptt=bptt, stop=stop)
    assert found.records[-1].updates == expected.records[-1].updates
    assert_close(dict(other.named_parameters()), dict(first.named_parameters()), "update")


def test_the_doctor_looks_along_the_steps() -> None:
    x, _ = data()
    expected = training.doctor(Net(nn.LSTM, batch_first=False), x)
    found = training.doctor(Net(nn.LSTM, batch_first=True), x.transpose(0, 1))
    assert found.text() == expected.text()


def test_layers_that_differ_are_refused_unless_the_order_is_stated() -> None:
    model = Net(nn.LSTM, batch_first=True)
    model.add_module("other", torch.nn.GRU(2, 3))
    x, y = data()
    with pytest.raises(ValueError, match="batch_first="):
        training.fit(model, (x, y), stop=[training.Epochs(1)])
    history = training.fit(
        model,
        (x.transpose(0, 1), y.transpose(0, 1)),
        bptt=training.TruncatedBPTT(4, 4),
        stop=[training.Epochs(1)],
        batch_first=True,
    )
    assert history.records[-1].updates == 3


@pytest.mark.parametrize("bptt", STRATEGIES, ids=str)
@pytest.mark.parametrize(("name", "value"), [("x", "nan"), ("x", "inf"), ("y", "nan")])
def test_a_value_that_is_not_finite_is_named_with_its_place(name: str, value: str, bptt: Any) -> None:
    values = dict(zip("xy", data(), strict=True))
    values[name][3, 1, 0] = float(value)
    if (name, value) == ("x", "inf"):
        values["y"][3, 1, 0] = float("nan")
        values["x"][3, 1, 1] = -float("inf")
    for model in (nn.ManyToMany(nn.GRU(2, 4), 1), Net(nn.LSTM, batch_first=False)):
        with pytest.raises(training.NonFiniteLoss, match=rf"{name} has {value} at step 3, sequence 1, feature 0"):
            training.fit(model, (values["x"], values["y"]), bptt=bptt, stop=[training.Epochs(2)])


def test_the_batch_and_the_validation_data_are_named() -> None:
    good, bad = data(), data()
    bad[0][2, 4, 1] = float("nan")
    model, stop = nn.ManyToMany(nn.GRU(2, 4), 1), [training.Epochs(2)]
    with pytest.raises(training.NonFiniteLoss, match=r"feature 1, counted from 0 \(batch 3\)"):
        training.fit(model, [good, good, bad], stop=stop)
    with pytest.raises(training.NonFiniteLoss, match=r"validation: the input x has nan at step 2, sequence 4"):
        training.fit(model, good, validation=bad, stop=stop)


def test_padding_may_hold_anything() -> None:
    x, y = data()
    x[8:, 1], y[8:, 1] = 0.0, float("nan")
    lengths = torch.tensor([12, 8, 12, 12, 12])
    training.fit(nn.ManyToMany(nn.GRU(2, 4), 1), (x, y, lengths), stop=[training.Epochs(1)])
    x[2, 3, 0] = float("nan")
    with pytest.raises(training.NonFiniteLoss, match="input x has nan at step 2, sequence 3"):
        training.fit(nn.ManyToMany(nn.GRU(2, 4), 1), (x, y, lengths), stop=[training.Epochs(1)])
