"""The recurrent network of Elman: h = f(W_x x + W_h h' + b)."""

from __future__ import annotations

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
    name="rnn",
    gates=("h",),
    states=("h",),
    activations=("tanh", "relu", "sigmoid"),
    onnx_gates=("h",),
    keras_gates=("h",),
    paper="Elman 1990, Finding Structure in Time",
)


@register_step(CELL)
def step(
    x: Gates, hidden: HiddenHalves, state: States, diagonal: Gates, f: Activation, g: Activation, squash: Activation
) -> StepResult:
    (h_x,), (h_h,) = x, hidden(state[0])
    h = f(h_x + h_h)
    return (h,), (h,)


def _nonlinearity(name: str) -> str:
    if name not in CELL.activations:
        names = ", ".join(map(repr, CELL.activations))
        raise ValueError(f"Unknown nonlinearity {name!r}. Select from {names}, or give a function as activation=")
    return name


@register_layer
class RNN(AbstractRecurrent):
    r"""Unfold an Elman network over time: $h_t = f(W_{ih} x_t + b_{ih} + W_{hh} h_{t-1} + b_{hh})$.

    Keeps only its outputs for the backward pass. Source: Elman 1990, Finding Structure in Time.

    Args:
        input_size: I, the features of a step.
        hidden_size: H, the hidden units.
        num_layers: L; each layer above the first reads the outputs of the one below.
        nonlinearity: 'tanh', 'relu' or 'sigmoid'.
        bias: whether there are biases.
        batch_first: whether inputs and outputs are (N, T, …) instead of (T, N, …).
        dropout: probability with which an output of a layer below the last is zeroed in training.
        bidirectional: run a second network backwards in time and join the outputs.
        device: the device of the parameters.
        dtype: their element type.
        activation: any function of a tensor, instead of `nonlinearity`.
        recurrent_bias: False for the textbook's single bias per unit; drops `bias_hh`.
        initialization: 'torch', 'orthogonal', 'keras', 'chrono', 'identity' or a value such as `Chrono(longest=600)`.
        proj_size: P, units that h is projected to, h = W_{hr} f(…); 0 for none.
        recurrent_dropout: probability with which a unit of h is zeroed on its way to the recurrent weights, in
            training: one mask for each sequence and call, the same at all steps. Source: Gal and Ghahramani 2016, A
            Theoretically Grounded Application of Dropout in Recurrent Neural Networks.
        zoneout: probability with which a unit keeps its state instead of taking the new one; in evaluation, the
            weighted mean of both. Source: Krueger et al. 2017, Zoneout: Regularizing RNNs by Randomly Preserving Hidden
            Activations.
        layer_norm: normalize both halves of the sum. Gains are `gain_…`, and the biases those of the layer. Source: Ba
            et al. 2016, Layer Normalization.
        clip_state_grad: clip the gradient of every state when it passes from a step to the one before: a number c clips
            each element to ±c, `NormClip(1.0)` the norm of each row; any other function of a gradient (N, H) is applied
            on the reference path. Source: Graves 2013, Generating Sequences With Recurrent Neural
            Networks.

    >>> import torch
    >>> from throughtime import nn
    >>> y, h_n = nn.RNN(1, 8)(torch.zeros(5, 2, 1))
    >>> y.shape, h_n.shape
    (torch.Size([5, 2, 8]), torch.Size([1, 2, 8]))
    """

    cell = CELL
    torch_layer = torch.nn.RNN
    activation_arguments: ClassVar = {"nonlinearity": "activation"}
    autocasts = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        activation: str | Activation | None = None,
        recurrent_bias: bool = True,
        initialization: str | Initialization = "torch",
        proj_size: int = 0,
        recurrent_dropout: float = 0.0,
        zoneout: float = 0.0,
        layer_norm: bool = False,
        clip_state_grad: GradientClip | None = None,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            mode=f"RNN_{nonlinearity.upper()}",
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            proj_size=proj_size,
            device=device,
            dtype=dtype,
            activation=_nonlinearity(nonlinearity) if activation is None else activation,
            recurrent_bias=recurrent_bias,
            initialization=initialization,
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            layer_norm=layer_norm,
            clip_state_grad=clip_state_grad,
        )
        self.nonlinearity = nonlinearity


class RNNCell(AbstractRecurrentCell):
    r"""One step of an Elman network: $h' = f(W_{ih} x + b_{ih} + W_{hh} h + b_{hh})$.

    Args:
        input_size: I, the features.
        hidden_size: H, the hidden units.
        bias: whether there are biases.
        nonlinearity: 'tanh', 'relu' or 'sigmoid'.
        device: the device of the parameters.
        dtype: their element type.
        activation: any function of a tensor, instead of `nonlinearity`.
        recurrent_bias: False for a single bias per unit; drops `bias_hh`.
        initialization: 'torch', 'orthogonal', 'keras', 'chrono', 'identity' or a value such as `Chrono(longest=600)`.
    """

    cell = CELL
    torch_layer = torch.nn.RNNCell
    autocasts = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        activation: str | Activation | None = None,
        recurrent_bias: bool = True,
        initialization: str | Initialization = "torch",
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            bias=bias,
            device=device,
            dtype=dtype,
            activation=_nonlinearity(nonlinearity) if activation is None else activation,
            recurrent_bias=recurrent_bias,
            initialization=initialization,
        )
        self.nonlinearity = nonlinearity
