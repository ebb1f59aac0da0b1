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
    """A custom module, which does not declare the order of its inputs."""

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
def test_rows_first_inside_a_module_of_custom_modules_is_seen(layer: Callable[..., torch.nn.Module], bptt: Any) -> None:
    x, y = data()
    first, other = Net(layer, batch_first=False), Net(layer, batch_first=True)
    stop = [training.Epochs(2)]
    expected = training.fit(first, (x, y), bptt=bptt, stop=stop)
    actual = training.fit(other, (x.transpose(0, 1), y.transpose(0, 1)), bptt=bptt, stop=stop)
    assert actual.records[-1].updates == expected.records[-1].updates
    assert_close(dict(other.named_parameters()), dict(first.named_parameters()), "update")


def test_the_doctor_looks_along_the_steps() -> None:
    x, _ = data()
    expected = training.doctor(Net(nn.LSTM, batch_first=False), x)
    actual = training.doctor(Net(nn.LSTM, batch_first=True), x.transpose(0, 1))
    assert actual.text() == expected.text()


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


@pytest.mark.parametrize(("name", "value"), [("x", "nan"), ("y", "nan"), ("y", "-inf")])
def test_evaluate_and_the_doctor_name_the_place(name: str, value: str) -> None:
    good, values = data(), dict(zip("xy", data(), strict=True))
    values[name][3, 1, 0] = float(value)
    bad = (values["x"], values["y"])
    message = rf"{name} has {value} at step 3, sequence 1, feature 0, counted from 0 \(batch "
    for model in (
        nn.ManyToMany(nn.GRU(2, 4), 1),
        Net(torch.nn.LSTM, batch_first=False),
        Net(nn.LSTM, batch_first=False),
    ):
        assert training.evaluate(model, [good, good]) == pytest.approx(training.evaluate(model, good))
        with pytest.raises(training.NonFiniteLoss, match=message + "2"):
            training.evaluate(model, [good, bad])
    with pytest.raises(training.NonFiniteLoss, match=message + "1"):
        training.doctor(model, *bad)


def test_a_model_of_weights_that_are_not_finite_is_evaluated_as_it_is() -> None:
    model = nn.ManyToMany(nn.GRU(2, 4), 1)
    with torch.no_grad():
        model.output.bias.fill_(float("nan"))
    assert training.evaluate(model, data()) != training.evaluate(model, data())


@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("kind", ["streams", "batches"])
def test_batches_of_another_order_than_the_model_reads_are_refused(kind: str, *, batch_first: bool) -> None:
    x, y = data()

    def ordered(*, rows_first: bool) -> Any:
        if kind == "streams":
            pairs = list(zip(x.unbind(1), y.unbind(1), strict=True))
            return training.StatefulBatches(pairs, rows=5, steps=12, batch_first=rows_first)
        tensors = [t.transpose(0, 1) if rows_first else t for t in (x, y)]
        return training.Batches(*tensors, time_first=not rows_first, shuffle=False)

    right, wrong = ordered(rows_first=batch_first), ordered(rows_first=not batch_first)
    model = nn.ManyToMany(nn.LSTM(2, 3, batch_first=batch_first), 1)
    time_first = nn.ManyToMany(nn.LSTM(2, 3), 1)
    time_first.load_state_dict(model.state_dict())
    expected = training.evaluate(time_first, (x, y))
    assert training.evaluate(model, right) == pytest.approx(expected)
    for refused in (
        lambda: training.evaluate(model, wrong),
        lambda: training.fit(model, wrong, stop=[training.Epochs(1)]),
        lambda: training.fit(model, right, validation=wrong, stop=[training.Epochs(1)]),
        lambda: training.fit(torch.nn.Linear(2, 1), right, stop=[training.Epochs(1)], batch_first=not batch_first),
    ):
        with pytest.raises(ValueError, match=r"as .* reads its inputs, got .* before"):
            refused()


def test_a_picture_of_states_says_what_it_cannot_show() -> None:
    x, _ = data()
    with pytest.raises(ValueError, match=r"row: expected one of 0 … 4, got 5"):
        training.plot_states(nn.GRU(2, 3), x, row=5)
    with pytest.raises(ValueError, match="expected a recurrent layer inside, got Linear"):
        training.plot_states(torch.nn.Linear(2, 3), x)
