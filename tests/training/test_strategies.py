"""Custom BPTT strategies: the loop trains with them without knowing them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import torch
from tests.tolerances import assert_close

from throughtime import nn, training
from throughtime.training._backward import BackwardResult, backward_window
from throughtime.training._windows import BPTTWindow

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class ForwardMode:
    """The exact gradient without a backward pass: derivatives are carried forward in time with the states.

    Source: Williams and Zipser 1989, A Learning Algorithm for Continually Running Fully Recurrent Neural Networks.
    """

    cuts_sequences: ClassVar[bool] = False
    needs_step_targets: ClassVar[bool] = False
    fallback_reason: ClassVar[str] = "gradients are computed in forward mode"

    def windows(self, steps: int, *, continues: bool = False) -> Iterator[BPTTWindow]:
        yield BPTTWindow(0, steps, 0, steps)

    def backward(
        self, model: torch.nn.Module, batch: training.Batch, window: BPTTWindow, state: Any, loss: Any
    ) -> BackwardResult:
        def value(parameters: dict[str, torch.Tensor]) -> torch.Tensor:
            return loss(torch.func.functional_call(model, parameters, (batch.x,))[0], batch.y)

        parameters = dict(model.named_parameters())
        gradients = torch.func.jacfwd(value)({name: p.detach() for name, p in parameters.items()})
        for name, parameter in parameters.items():
            parameter.grad = gradients[name].detach()
        return BackwardResult(value(parameters).detach(), batch.y.shape[0] * batch.y.shape[1], None)


@dataclass(frozen=True)
class DoublingBPTT:
    """Windows of 1, 2, 4, … steps, each from the state in which the one before ended."""

    cuts_sequences: ClassVar[bool] = True
    needs_step_targets: ClassVar[bool] = True
    fallback_reason: ClassVar[str] = ""

    def windows(self, steps: int, *, continues: bool = False) -> Iterator[BPTTWindow]:
        start = 0
        while start < steps:
            stop = min(2 * start + 1, steps)
            yield BPTTWindow(start, stop, start, stop)
            start = stop

    def backward(
        self, model: torch.nn.Module, batch: training.Batch, window: BPTTWindow, state: Any, loss: Any
    ) -> BackwardResult:
        return backward_window(model, batch, window, state, loss)


def model_of(layer: str, **options: Any) -> nn.ManyToMany:
    return nn.ManyToMany(getattr(nn, layer)(2, 4, dtype=torch.float64, **options), 1)


def data(steps: int = 9) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(steps, 3, 2, dtype=torch.float64), torch.randn(steps, 3, 1, dtype=torch.float64)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # torch's own, when it first differentiates so
@pytest.mark.parametrize("options", [{}, {"bidirectional": True}], ids=str)
@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_a_strategy_may_compute_gradients_its_own_way(layer: str, options: dict[str, bool]) -> None:
    model, batch = model_of(layer, **options), data()
    expected = copy.deepcopy(model)
    settings: dict[str, Any] = {"optimizer": "sgd", "learning_rate": 0.1, "stop": [training.Epochs(3)]}
    history = training.fit(model, batch, bptt=ForwardMode(), **settings)
    assert history.path == "general: gradients are computed in forward mode"
    training.fit(expected, batch, bptt=training.FullBPTT(), **settings)
    assert_close(dict(model.named_parameters()), dict(expected.named_parameters()), "update")


@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_windows_of_a_strategy_are_trained_on_in_the_engine_as_outside(layer: str) -> None:
    model, batch = model_of(layer), data(20)
    general = copy.deepcopy(model)
    settings: dict[str, Any] = {"bptt": DoublingBPTT(), "optimizer": "sgd", "stop": [training.Epochs(2)]}
    history = training.fit(model, batch, **settings)
    assert history.path == "compiled"
    assert history.records[-1].updates == 2 * 5  # of 1, 2, 4, 8 and 5 steps
    training.fit(general, batch, loss=lambda y, target: (y - target).square().mean(), **settings)
    assert_close(dict(model.named_parameters()), dict(general.named_parameters()), "update")


def test_what_a_strategy_needs_is_checked() -> None:
    x, y = data()
    with pytest.raises(ValueError, match=r"DoublingBPTT\(\): expected layers in one direction"):
        training.fit(model_of("GRU", bidirectional=True), (x, y), bptt=DoublingBPTT())
    with pytest.raises(ValueError, match=r"DoublingBPTT\(\): expected a target for each of the 9 steps"):
        training.fit(nn.ManyToOne(nn.GRU(2, 4, dtype=torch.float64), 1), (x, y[0]), bptt=DoublingBPTT())
    with pytest.raises(ValueError, match="lengths: expected"):
        training.fit(model_of("GRU"), (x, y, torch.tensor([10, 1, 1])), bptt=DoublingBPTT())
