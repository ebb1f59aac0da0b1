"""The gated recurrent unit: a reset gate and an update gate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from throughtime._cell import Cell
from throughtime._reference import step_of
from throughtime.nn._recurrent import AbstractRecurrent, refuse_projection
from throughtime.nn._single import AbstractSingle

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

    from throughtime._reference import Activation as Function
    from throughtime.nn._recurrent import Activation
    from throughtime.nn.initialization import Initialization

CELL = Cell(
    name="gru",
    gates=("r", "z", "n"),
    states=("h",),
    separate=("n",),
    onnx_gates=("z", "r", "n"),
    paper="Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder",
)


@step_of(CELL)
def step(
    x: tuple[Tensor, ...],
    hidden: Callable[[Tensor], tuple[Tensor, ...]],
    state: tuple[Tensor, ...],
    diagonal: tuple[Tensor, ...],
    f: Function,
    g: Function,
) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    (h,) = state
    (r_x, z_x, n_x), (r_h, z_h, n_h) = x, hidden(h)
    r = g(r_x + r_h)
    z = g(z_x + z_h)
    n = f(n_x + r * n_h)
    return ((1 - z) * n + z * h,), (r, z, n)


class GRU(AbstractRecurrent):
    r"""Unfold a gated recurrent unit over time.

    $$r_t = \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr})$$
    $$z_t = \sigma(W_{iz} x_t + b_{iz} + W_{hz} h_{t-1} + b_{hz})$$
    $$n_t = f(W_{in} x_t + b_{in} + r_t \odot (W_{hn} h_{t-1} + b_{hn}))$$
    $$h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}$$

    The reset gate r acts after the product, as in torch. Keeps 4·T·N·H scalars for the backward pass. Source:
    Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder.

    Args:
        input_size: I, the features of a step.
        hidden_size: H, the hidden units.
        num_layers: L; each layer above the first reads the outputs of the one below.
        bias: whether there are biases.
        batch_first: whether inputs and outputs are (N, T, …) rather than (T, N, …).
        dropout: probability with which an output of a layer below the last is zeroed in training.
        bidirectional: run a second network backwards in time and join the outputs.
        device: where the parameters live.
        dtype: their element type.
        activation: f, any function of a tensor; tanh if None.
        gate_activation: that of r and z, likewise.
        recurrent_bias: False drops `bias_hh`.
        initialization: 'torch', 'orthogonal', 'keras', 'chrono', 'identity' or a value such as `Chrono(longest=600)`.
        proj_size: as in torch.nn, nothing but 0.

    >>> import torch
    >>> from throughtime import nn
    >>> y, h_n = nn.GRU(3, 8, bidirectional=True)(torch.zeros(5, 2, 3), lengths=[5, 2])
    >>> y.shape, h_n.shape
    (torch.Size([5, 2, 16]), torch.Size([2, 2, 8]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        activation: Activation | None = None,
        gate_activation: Activation = "sigmoid",
        recurrent_bias: bool = True,
        initialization: str | Initialization = "torch",
        proj_size: int = 0,
    ) -> None:
        refuse_projection(proj_size)
        super().__init__(
            CELL,
            "GRU",
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            proj_size=0,
            device=device,
            dtype=dtype,
            activation=activation,
            gate_activation=gate_activation,
            recurrent_bias=recurrent_bias,
            initialization=initialization,
        )


class GRUCell(AbstractSingle):
    """One step of a gated recurrent unit; the equations are those of `GRU`.

    Args:
        input_size: I, the features.
        hidden_size: H, the hidden units.
        bias: whether there are biases.
        device: where the parameters live.
        dtype: their element type.
        activation: any function of a tensor; tanh if None.
        gate_activation: that of the gates, likewise.
        recurrent_bias: False drops `bias_hh`.
        initialization: 'torch', 'orthogonal', 'keras', 'chrono', 'identity' or a value such as `Chrono(longest=600)`.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        activation: Activation | None = None,
        gate_activation: Activation = "sigmoid",
        recurrent_bias: bool = True,
        initialization: str | Initialization = "torch",
    ) -> None:
        super().__init__(
            CELL,
            input_size,
            hidden_size,
            bias=bias,
            device=device,
            dtype=dtype,
            activation=activation,
            gate_activation=gate_activation,
            recurrent_bias=recurrent_bias,
            initialization=initialization,
        )
