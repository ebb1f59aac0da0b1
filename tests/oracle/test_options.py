"""What our layers have beyond torch.nn's: how weights begin, and taking the place of torch's layers."""

from __future__ import annotations

import pytest
import torch
import torch.nn.utils.prune
from tests.layers import NAMES
from tests.tolerances import assert_close

from throughtime import nn


def test_layers_are_in_the_order_of_their_gates() -> None:
    gates = [len(layer.cell.gates) for layer in nn.LAYERS.values()]
    assert gates == sorted(gates)


@pytest.mark.parametrize("layer", NAMES)
@pytest.mark.parametrize("name", ["orthogonal", "keras", "chrono", "identity"])
def test_an_initialization_by_name_is_drawn_and_drawn_again(layer: str, name: str) -> None:
    module = getattr(nn, layer)(4, 8, num_layers=2, bidirectional=True, initialization=name)
    assert name in repr(module)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    module.reset_parameters()
    assert any(not torch.equal(v, before[k]) for k, v in module.state_dict().items())
    assert all(torch.isfinite(v).all() for v in module.state_dict().values())


@pytest.mark.parametrize("layer", NAMES)
def test_orthogonal_gates_keep_lengths(layer: str) -> None:
    module = getattr(nn, layer)(4, 8, initialization="orthogonal", dtype=torch.float64)
    for gate in module.weight_hh_l0.chunk(len(module.cell.gates)):
        assert_close(gate @ gate.T, torch.eye(8, dtype=torch.float64), "forward")


def test_keras_begins_with_a_forget_bias_of_one_and_an_orthogonal_recurrence() -> None:
    module = nn.LSTM(4, 8, initialization="keras", dtype=torch.float64)
    assert_close(module.bias_ih_l0.view(4, 8).sum(1), torch.tensor([0.0, 8.0, 0.0, 0.0], dtype=torch.float64), "exact")
    recurrent = module.get_parameter("weight_hh_l0")
    assert_close(recurrent.T @ recurrent, torch.eye(8, dtype=torch.float64), "forward")


def test_chrono_spreads_memory_over_the_times_asked_for() -> None:
    module = nn.LSTM(2, 1000, initialization=nn.Chrono(longest=100))
    i, f, _, _ = module.bias_ih_l0.detach().view(4, 1000)
    times = f.exp()
    assert 1 <= times.min() < 3
    assert 97 < times.max() <= 99
    assert abs(float(times.mean()) - 50) < 3
    assert_close(i, -f, "exact")
    update = nn.GRU(2, 1000, initialization=nn.Chrono(longest=100)).bias_ih_l0.detach().view(3, 1000)[1]
    assert abs(float(update.exp().mean()) - 50) < 3


def test_identity_keeps_the_state_of_a_relu_network() -> None:
    module = nn.RNN(2, 5, nonlinearity="relu", initialization="identity")
    h = torch.rand(1, 3, 5)
    _, after = module(torch.zeros(50, 3, 2), h)
    assert_close(after, h, "forward")


def test_an_unknown_initialization_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="expected one of torch, orthogonal, keras, chrono, identity"):
        nn.GRU(2, 5, initialization="xavier")


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = torch.nn.RNN(3, 4, nonlinearity="relu", batch_first=True)
        self.more = torch.nn.ModuleList([torch.nn.GRU(4, 4, 2, dropout=0.1), torch.nn.LSTM(4, 6, proj_size=3)])
        self.step = torch.nn.LSTMCell(3, 5, bias=False)
        self.again = self.first

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, _ = self.again(self.first(x)[0][..., :3])
        for layer in self.more:
            y, _ = layer(y)
        return self.step(y[0])[0]


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")  # torch's own
def test_replacing_keeps_weights_results_and_sharing() -> None:
    model = Model().eval()
    x = torch.randn(2, 7, 3)
    expected, weights = model(x), dict(model.named_parameters())
    assert nn.replace(model) is model
    assert isinstance(model.first, nn.RNN)
    assert isinstance(model.step, nn.LSTMCell)
    assert model.again is model.first
    assert not model.more[0].training
    assert not any(type(m).__module__.startswith("torch.nn.modules.rnn") for m in model.modules())
    assert all(weights[name] is parameter for name, parameter in model.named_parameters())
    assert_close(model(x), expected, "forward")


def test_a_layer_by_itself_is_replaced_by_a_new_one() -> None:
    layer = torch.nn.GRU(3, 4)
    ours = nn.replace(layer)
    assert isinstance(ours, nn.GRU)
    assert_close(ours(torch.ones(2, 1, 3)), layer(torch.ones(2, 1, 3)), "forward")


def test_layers_of_computed_weights_stay_what_they_are_and_tied_ones_and_hooks_are_kept() -> None:
    x, heard = torch.randn(4, 2, 5), []
    tied = torch.nn.Sequential(torch.nn.GRU(5, 5, 2))
    tied[0].weight_hh_l1 = tied[0].weight_hh_l0
    tied[0].register_forward_hook(lambda *_: heard.append(1))
    tied[0].register_full_backward_hook(lambda *_: heard.append(2))
    pruned = torch.nn.Sequential(torch.nn.GRU(5, 5))
    torch.nn.utils.prune.l1_unstructured(pruned[0], "weight_hh_l0", 0.5)
    for model, kind in ((tied, nn.GRU), (pruned, torch.nn.GRU)):
        before = model(x)[0]
        nn.replace(model)
        assert type(model[0]) is kind
        assert_close(model(x)[0], before, "forward")
    assert tied[0].weight_hh_l1 is tied[0].weight_hh_l0
    tied(x.requires_grad_())[0].sum().backward()
    assert heard == [1, 1, 1, 2]


def test_an_activation_may_be_set_at_any_time() -> None:
    for make, x in ((nn.GRU, torch.randn(4, 2, 3)), (nn.GRUCell, torch.randn(2, 3))):
        module, other = make(3, 5), make(3, 5, activation="relu")
        other.load_state_dict(module.state_dict())
        module.activation = "relu"
        assert_close(module(x), other(x), "exact")
        with pytest.raises(ValueError, match="activation: expected one of tanh, relu, sigmoid or a function"):
            module.activation = "gelu"
        assert_close(module(x), other(x), "exact")
        module.activation = torch.sin
        assert not torch.equal(module(x)[0], other(x)[0])
        with pytest.raises(ValueError, match="gate_activation: expected one of tanh, relu, sigmoid"):
            make(3, 5, gate_activation="step")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["orthogonal", "keras", "chrono", "identity"])
def test_every_initialisation_fills_short_types(name: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    short = nn.GRU(3, 8, dtype=dtype, initialization=name)
    torch.manual_seed(0)
    plain = nn.GRU(3, 8, initialization=name)
    torch.testing.assert_close(short.weight_hh_l0.float(), plain.weight_hh_l0, rtol=0, atol=0.01)


def test_a_trace_draws_the_dropout_between_layers_too() -> None:
    module, x = nn.LSTM(3, 5, num_layers=2, dropout=0.9), torch.randn(6, 2, 3)
    torch.manual_seed(3)
    y, _ = module(x)
    torch.manual_seed(3)
    assert_close(nn.trace(module, x)[-1].states["h"], y, "forward")


def test_a_summary_takes_inputs_by_their_name() -> None:
    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.GRU(3, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(input=x)[0]

    (row,) = nn.summary(Named(), torch.randn(4, 2, 3)).rows
    assert (row.output, row.path.split(":")[0]) == ((4, 2, 5), "kernel")
