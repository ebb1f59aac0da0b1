"""Initial weights, as values: a layer takes one as `initialization=`, by name or with settings.

Each depends on the gates of a cell by the names in its description, so that it works for every cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from throughtime._core.cell import Cell
    from throughtime._core.weights import Weights


class Initialization(Protocol):
    """Fill the weights of one layer in one direction."""

    def __call__(self, cell: Cell, weights: Weights) -> None:
        """Fill the weights."""
        ...


@dataclass(frozen=True)
class Uniform:
    """All weights from the uniform distribution over ±1/√H, as in torch.nn."""

    def __call__(self, cell: Cell, weights: Weights) -> None:
        """Fill the weights."""
        bound = 1 / math.sqrt(weights.weight_ih.shape[0] // len(cell.gates))
        for weight in _present(weights):
            nn.init.uniform_(weight, -bound, bound)


@dataclass(frozen=True)
class Orthogonal:
    """Recurrent weights orthogonal in each gate, so that a gradient keeps its norm; Glorot's for the inputs.

    Source: Saxe et al. 2014, Exact Solutions to the Nonlinear Dynamics of Learning in Deep Linear Neural Networks.

    Args:
        forget_bias: the bias of the forget gate of an LSTM; source: Jozefowicz et al. 2015, An Empirical Exploration
            of Recurrent Network Architectures.
    """

    forget_bias: float = 1.0

    def __call__(self, cell: Cell, weights: Weights) -> None:
        """Fill the weights."""
        for gate in weights.weight_hh.chunk(len(cell.gates)):
            _orthogonal(gate)
        for gate in weights.weight_ih.chunk(len(cell.gates)):
            nn.init.xavier_uniform_(gate)
        _zero_biases(weights)
        _set_bias(cell, weights, "f", self.forget_bias)


@dataclass(frozen=True)
class Keras:
    """The weights of Keras: Glorot's for all gates at once, one orthogonal recurrent matrix, a forget bias of 1."""

    def __call__(self, cell: Cell, weights: Weights) -> None:
        """Fill the weights."""
        nn.init.xavier_uniform_(weights.weight_ih)
        _orthogonal(weights.weight_hh)
        _zero_biases(weights)
        _set_bias(cell, weights, "f", 1.0)


@dataclass(frozen=True)
class Chrono:
    """Gates that start by remembering for 1 to `longest` steps, a different time for each unit.

    The forget gate (LSTM) or update gate (GRU) has the bias log(u), u uniform over 1 … longest-1, and the input gate of
    an LSTM its negative; all other weights are those of `Orthogonal`. Source: Tallec and Ollivier 2018, Can Recurrent
    Neural Networks Warp Time?

    Args:
        longest: steps that the network may have to remember.
    """

    longest: int = 600

    def __post_init__(self) -> None:
        if self.longest < 3:
            raise ValueError(f"Chrono: expected longest >= 3 steps, got {self.longest}")

    def __call__(self, cell: Cell, weights: Weights) -> None:
        """Fill the weights."""
        Orthogonal(forget_bias=0.0)(cell, weights)
        units = weights.weight_ih.shape[0] // len(cell.gates)
        times = torch.empty(units).uniform_(1, self.longest - 1).log().to(weights.weight_ih)
        for gate, value in (("f", times), ("i", -times), ("z", times)):
            _set_bias(cell, weights, gate, value)


@dataclass(frozen=True)
class Identity:
    """A recurrence that starts by keeping its state: the identity matrix, small input weights, no bias.

    For relu networks. Source: Le et al. 2015, A Simple Way to Initialize Recurrent Networks of Rectified Linear
    Units.

    Args:
        scale: of the identity matrix.
        std: standard deviation of the input weights.
    """

    scale: float = 1.0
    std: float = 1e-3

    def __call__(self, cell: Cell, weights: Weights) -> None:
        """Fill the weights."""
        for gate in weights.weight_hh.chunk(len(cell.gates)):
            nn.init.eye_(gate).mul_(self.scale)
        nn.init.normal_(weights.weight_ih, std=self.std)
        _zero_biases(weights)


@dataclass(frozen=True)
class ForgetBias:
    """Another initialization with a bias for the forget gate; with coupled gates, its negative for the input gate.

    Source: Jozefowicz et al. 2015, An Empirical Exploration of Recurrent Network Architectures.

    Args:
        bias: the sum of both halves of the gate's bias.
        base: the initialization of all other weights.
    """

    bias: float
    base: str | Initialization = "torch"

    def __call__(self, cell: Cell, weights: Weights) -> None:
        """Fill the weights."""
        get_initialization(self.base)(cell, weights)
        gate, value = ("f", self.bias) if "f" in cell.gates else ("i", -self.bias)
        _set_bias(cell, weights, gate, value)
        if weights.bias_hh is not None:
            weights.bias_hh.chunk(len(cell.gates))[cell.gates.index(gate)].zero_()


INITIALIZATIONS: dict[str, Initialization] = {
    "torch": Uniform(),
    "orthogonal": Orthogonal(),
    "keras": Keras(),
    "chrono": Chrono(),
    "identity": Identity(),
}
"""Every initialization by its name."""


def get_initialization(initialization: str | Initialization) -> Initialization:
    """Return the initialization with a name."""
    if not isinstance(initialization, str):
        return initialization
    if initialization not in INITIALIZATIONS:
        raise ValueError(
            f"initialization: expected one of {', '.join(INITIALIZATIONS)} or a value such as nn.Chrono(longest=600), "
            f"got {initialization!r}"
        )
    return INITIALIZATIONS[initialization]


def _orthogonal(weight: Tensor) -> None:
    """Fill a matrix; types without a QR decomposition get that of float32."""
    if weight.is_meta or weight.dtype not in (torch.bfloat16, torch.float16):
        nn.init.orthogonal_(weight)
    else:
        weight.copy_(nn.init.orthogonal_(torch.empty_like(weight, dtype=torch.float32)))


def _present(weights: Weights) -> Iterator[Tensor]:
    return (weight for weight in weights if weight is not None)


def _zero_biases(weights: Weights) -> None:
    for bias in (weights.bias_ih, weights.bias_hh):
        if bias is not None:
            nn.init.zeros_(bias)
    if weights.weight_hr is not None:
        nn.init.xavier_uniform_(weights.weight_hr)
    if weights.diagonal is not None:
        nn.init.zeros_(weights.diagonal)


def _set_bias(cell: Cell, weights: Weights, gate: str, value: float | Tensor) -> None:
    if gate in cell.gates and weights.bias_ih is not None:
        weights.bias_ih.chunk(len(cell.gates))[cell.gates.index(gate)].copy_(torch.as_tensor(value))
