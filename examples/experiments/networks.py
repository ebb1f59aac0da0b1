"""The networks that are compared, with about the same number of weights: four recurrent ones and a window."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.nn import Conv1d, Linear, Module

from throughtime import nn

if TYPE_CHECKING:
    from collections.abc import Callable

    from examples.experiments.problems import Problem
    from jaxtyping import Float
    from torch import Tensor

_WINDOW = 20  # steps that the network without memory sees


class Network(NamedTuple):
    """A network, and the factor for a problem's learning rate that suits it."""

    title: str
    build: Callable[[Problem], Module]
    rate: float


class Windowed(Module):
    """A feed-forward network over the last steps, without memory.

    Args:
        inputs: I.
        outputs: for each step, or for the last one.
        hidden: units.
        per_step: whether there is an output for each step.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int, *, per_step: bool) -> None:
        super().__init__()
        self.hidden = Conv1d(inputs, hidden, _WINDOW)
        self.output = Linear(hidden, outputs)
        self.per_step = per_step

    def forward(self, x: Float[Tensor, "T N I"]) -> Tensor:
        """Return outputs for each step, or for the last one."""
        before = x.new_zeros(_WINDOW - 1, *x.shape[1:])
        seen = torch.cat([before, x]) if self.per_step else x[-_WINDOW:]
        y = self.output(self.hidden(seen.permute(1, 2, 0)).relu().permute(2, 0, 1))
        return y if self.per_step else y[-1]


def _rnn(problem: Problem) -> Module:
    return _layout(problem, nn.RNN(problem.inputs, 128))


def _irnn(problem: Problem) -> Module:
    return _layout(problem, nn.RNN(problem.inputs, 128, nonlinearity="relu", initialization="identity"))


def _gru(problem: Problem) -> Module:
    return _layout(problem, nn.GRU(problem.inputs, 72, initialization=nn.Chrono(problem.longest)))


def _lstm(problem: Problem) -> Module:
    return _layout(problem, nn.LSTM(problem.inputs, 64, initialization=nn.Chrono(problem.longest)))


def _windowed(problem: Problem) -> Module:
    hidden = 17000 // (_WINDOW * problem.inputs + problem.outputs + 1)
    return Windowed(problem.inputs, problem.outputs, hidden, per_step=problem.per_step)


def _layout(problem: Problem, layer: nn.RNN | nn.GRU | nn.LSTM) -> Module:
    return (nn.ManyToMany if problem.per_step else nn.ManyToOne)(layer, problem.outputs)


NETWORKS = {
    "rnn": Network("RNN, tanh", _rnn, 1 / 3),
    "irnn": Network("RNN, relu, identity", _irnn, 1 / 3),
    "gru": Network("GRU", _gru, 1.0),
    "lstm": Network("LSTM", _lstm, 1.0),
    "window": Network(f"window of {_WINDOW} steps", _windowed, 1 / 3),
}
"""All networks, by name."""
