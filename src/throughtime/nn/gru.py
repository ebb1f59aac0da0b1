"""The gated recurrent unit: a reset gate and an update gate."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import torch

from throughtime._core.cell import Cell
from throughtime._core.reference import register_step
from throughtime.nn._recurrent import AbstractRecurrent
from throughtime.nn._recurrent_cell import AbstractRecurrentCell
from throughtime.nn._registry import register_layer

if TYPE_CHECKING:
    from throughtime._core.activations import Activation
    from throughtime._core.reference import Gates, HiddenHalves, States, StepResult
    from throughtime._core.state_transforms import GradientClip
    from throughtime.nn.initialization import Initialization

CELL = Cell(
    name="gru",
    gates=("r", "z", "n"),
    states=("h",),
    separate_halves=("n",),
    onnx_gates=("z", "r", "n"),
    keras_gates=("z", "r", "n"),
    paper="Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder",
)
PROJECTED = replace(CELL, name="projected_gru", states=("h", "m"), onnx_gates=(), keras_gates=(), compiled=False)
RESET_BEFORE = replace(CELL, name="gru_before", compiled=False)


@register_step(PROJECTED)
@register_step(CELL)
def step(
    x: Gates, hidden: HiddenHalves, state: States, diagonal: Gates, f: Activation, g: Activation, squash: Activation
) -> StepResult:
    h, m = state[0], state[-1]  # the same, unless h is a projection of m
    (r_x, z_x, n_x), (r_h, z_h, n_h) = x, hidden(h)
    r = g(r_x + r_h)
    z = g(z_x + z_h)
    n = f(n_x + r * n_h)
    m = (1 - z) * n + z * m
    return (m,) * len(state), (r, z, n)


@register_step(RESET_BEFORE)
def step_reset_before(
    x: Gates, hidden: HiddenHalves, state: States, diagonal: Gates, f: Activation, g: Activation, squash: Activation
) -> StepResult:
    (h,) = state
    (r_x, z_x, n_x), (r_h, z_h, _) = x, hidden(h)
    r = g(r_x + r_h)
    z = g(z_x + z_h)
    n = f(n_x + hidden(r * h)[2])
    return ((1 - z) * n + z * h,), (r, z, n)


def _cell(*, reset_after: bool, proj_size: int = 0) -> Cell:
    if reset_after:
        return PROJECTED if proj_size else CELL
    if proj_size:
        raise ValueError(
            "reset_after=False: expected proj_size=0, since r has a value for each of the H units, not of P"
        )
    return RESET_BEFORE


@register_layer
class GRU(AbstractRecurrent):
    r"""Unfold a gated recurrent unit over time.

    $$r_t = \sigma(W_{ir} x_t + b_{ir} + W_{hr} h_{t-1} + b_{hr})$$
    $$z_t = \sigma(W_{iz} x_t + b_{iz} + W_{hz} h_{t-1} + b_{hz})$$
    $$n_t = f(W_{in} x_t + b_{in} + r_t \odot (W_{hn} h_{t-1} + b_{hn}))$$
    $$h_t = (1 - z_t) \odot n_t + z_t \odot h_{t-1}$$

    The reset gate r acts after the product, as in torch. With `reset_after=False` (the name is that of Keras) it acts
    before it, as in the paper:

    $$n_t = f(W_{in} x_t + b_{in} + W_{hn} (r_t \odot h_{t-1}) + b_{hn})$$

    With `proj_size` P > 0 there are two states: m is computed by the last line above, from m, and h is W_{hr} m_t, as
    in the projected LSTM of Sak et al. 2014. Keeps 4·T·N·H scalars for the backward pass. Source:
    Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder.

    Args:
        input_size: I, the features of a step.
        hidden_size: H, the hidden units.
        num_layers: L; each layer above the first reads the outputs of the one below.
        bias: whether there are biases.
        batch_first: whether inputs and outputs are (N, T, …) instead of (T, N, …).
        dropout: probability with which an output of a layer below the last is zeroed in training.
        bidirectional: run a second network backwards in time and join the outputs.
        device: the device of the parameters.
        dtype: their element type.
        activation: f, any function of a tensor; tanh if None.
        gate_activation: the same for r and z.
        recurrent_bias: False drops `bias_hh`.
        initialization: 'torch', 'orthogonal', 'keras', 'chrono', 'identity' or a value such as `Chrono(longest=600)`.
        proj_size: P, units that h is projected to; 0 for none.
        reset_after: whether the reset gate acts after the product with W_{hn}, or before it.
        recurrent_dropout: probability with which a unit of h is zeroed on its way to the recurrent weights, in
            training: one mask for each sequence and call, the same at all steps. Source: Gal and Ghahramani 2016, A
            Theoretically Grounded Application of Dropout in Recurrent Neural Networks.
        zoneout: probability with which a unit keeps its state instead of taking the new one; in evaluation, the
            weighted mean of both. Source: Krueger et al. 2017, Zoneout: Regularizing RNNs by Randomly Preserving Hidden
            Activations.
        layer_norm: normalize both halves of the sums of r and z together and of n by itself. Gains are `gain_…`, and
            the biases those of the layer. Source: Ba et al. 2016, Layer Normalization.
        clip_state_grad: clip the gradient of every state when it passes from a step to the one before: a number c clips
            each element to ±c, `NormClip(1.0)` the norm of each row; any other function of a gradient (N, H) is applied
            on the reference path. Source: Graves 2013, Generating Sequences With Recurrent Neural
            Networks.

    >>> import torch
    >>> from throughtime import nn
    >>> y, h_n = nn.GRU(3, 8, bidirectional=True)(torch.zeros(5, 2, 3), lengths=[5, 2])
    >>> y.shape, h_n.shape
    (torch.Size([5, 2, 16]), torch.Size([2, 2, 8]))
    """

    cell = CELL
    torch_layer = torch.nn.GRU
    _variant_defaults: ClassVar = {"reset_after": True}

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
        activation: str | Activation | None = None,
        gate_activation: str | Activation = "sigmoid",
        recurrent_bias: bool = True,
        initialization: str | Initialization = "torch",
        proj_size: int = 0,
        reset_after: bool = True,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        layer_norm: bool = False,
        clip_state_grad: GradientClip | None = None,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            cell=_cell(reset_after=reset_after, proj_size=proj_size),
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            proj_size=proj_size,
            device=device,
            dtype=dtype,
            activation=activation,
            gate_activation=gate_activation,
            recurrent_bias=recurrent_bias,
            initialization=initialization,
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            layer_norm=layer_norm,
            clip_state_grad=clip_state_grad,
        )
        self.reset_after = reset_after


class GRUCell(AbstractRecurrentCell):
    """One step of a gated recurrent unit; the equations are those of `GRU`.

    Args:
        input_size: I, the features.
        hidden_size: H, the hidden units.
        bias: whether there are biases.
        device: the device of the parameters.
        dtype: their element type.
        activation: any function of a tensor; tanh if None.
        gate_activation: the same for the gates.
        recurrent_bias: False drops `bias_hh`.
        initialization: 'torch', 'orthogonal', 'keras', 'chrono', 'identity' or a value such as `Chrono(longest=600)`.
        reset_after: whether the reset gate acts after the product with W_{hn}, or before it.
    """

    cell = CELL
    torch_layer = torch.nn.GRUCell

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        activation: str | Activation | None = None,
        gate_activation: str | Activation = "sigmoid",
        recurrent_bias: bool = True,
        initialization: str | Initialization = "torch",
        reset_after: bool = True,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            cell=_cell(reset_after=reset_after),
            bias=bias,
            device=device,
            dtype=dtype,
            activation=activation,
            gate_activation=gate_activation,
            recurrent_bias=recurrent_bias,
            initialization=initialization,
        )
