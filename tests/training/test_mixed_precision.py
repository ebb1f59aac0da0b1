"""Mixed precision: the types of products, losses and weights, and that it learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn, training

if TYPE_CHECKING:
    from torch import Tensor

LAYERS = pytest.mark.parametrize("layer", [nn.RNN, nn.GRU, nn.LSTM])


def sine() -> tuple[Tensor, Tensor]:
    t = torch.arange(31).unsqueeze(1) / 3 + torch.arange(8)
    values = t.sin().unsqueeze(-1)
    return values[:-1], values[1:]


@LAYERS
@pytest.mark.parametrize(
    "bptt", [training.FullBPTT(), training.TruncatedBPTT(10, 20), training.CheckpointedBPTT()], ids=str
)
def test_products_are_bfloat16_and_weights_losses_and_states_are_not(layer: type, bptt: training.BPTT) -> None:
    model, products, losses = nn.ManyToMany(layer(1, 8), 1), set(), set()
    model.output.register_forward_hook(lambda _, __, y: products.add(y.dtype))

    def loss(y: Tensor, target: Tensor) -> Tensor:
        losses.add(y.dtype)
        return (y - target).square().mean()

    history = training.fit(model, sine(), loss=loss, bptt=bptt, precision="bfloat16", stop=[training.Epochs(2)])
    assert products == {torch.bfloat16}
    assert losses == {torch.float32}
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert history.path.startswith("general")


@LAYERS
def test_it_learns_what_float32_learns(layer: type) -> None:
    last = {}
    for precision in (None, "bfloat16"):
        torch.manual_seed(0)
        model = nn.ManyToMany(layer(1, 16), 1)
        options = {"learning_rate": 0.02, "validation": sine(), "stop": [training.Epochs(60)]}
        history = training.fit(model, sine(), precision=precision, clip=1.0, **options)
        assert history.best is not None
        last[precision] = history.best.score
    assert last[None] < 0.05  # of a variance of 0.5
    assert last["bfloat16"] < 0.06
    assert last["bfloat16"] != last[None]


def test_recomputed_gradients_are_those_of_the_whole_pass() -> None:
    result = []
    for bptt in (training.FullBPTT(), training.CheckpointedBPTT()):
        torch.manual_seed(0)
        model = nn.ManyToMany(nn.LSTM(1, 8), 1)
        options = {"optimizer": "sgd", "learning_rate": 1.0, "stop": [training.Epochs(1)]}
        training.fit(model, sine(), bptt=bptt, precision="bfloat16", **options)
        result.append({name: value.to(torch.bfloat16) for name, value in model.state_dict().items()})
    assert_close(*result, "gradient")


def test_a_precision_that_is_not_known() -> None:
    with pytest.raises(ValueError, match="precision: expected None or one of bfloat16, got 'float16'"):
        training.fit(nn.ManyToMany(nn.GRU(1, 8), 1), sine(), precision="float16")
