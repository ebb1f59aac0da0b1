"""Long short-term memory: an input gate, a forget gate and an output gate around a cell state."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch

from throughtime._core.cell import Cell
from throughtime._core.reference import register_step
from throughtime.nn._recurrent import AbstractRecurrent
from throughtime.nn._recurrent_cell import AbstractRecurrentCell
from throughtime.nn._registry import register_layer
from throughtime.nn.coupled_lstm import COUPLED, COUPLED_PEEPHOLE
from throughtime.nn.initialization import ForgetBias
from throughtime.nn.peephole_lstm import PEEPHOLE

if TYPE_CHECKING:
    from throughtime._core.activations import Activation
    from throughtime._core.reference import Gates, HiddenHalves, States, StepResult
    from throughtime._core.state_transforms import GradientClip
    from throughtime.nn.initialization import Initialization

CELL = Cell(
    name="lstm",
    gates=("i", "f", "g", "o"),
    states=("h", "c"),
    onnx_gates=("i", "o", "f", "g"),
    keras_gates=("i", "f", "g", "o"),
    paper="Hochreiter and Schmidhuber 1997, Long Short-Term Memory; Gers et al. 2000, Learning to Forget",
)


@register_step(CELL)
def step(
    x: Gates, hidden: HiddenHalves, state: States, diagonal: Gates, f: Activation, g: Activation, squash: Activation
) -> StepResult:
    h, c = state
    sums = [x_half + h_half for x_half, h_half in zip(x, hidden(h), strict=True)]
    input_gate, forget_gate, new, output_gate = g(sums[0]), g(sums[1]), f(sums[2]), g(sums[3])
    c = forget_gate * c + input_gate * new
    return (output_gate * squash(c), c), (input_gate, forget_gate, new, output_gate)


def _cell(*, peephole: bool, coupled_gates: bool) -> Cell:
    if coupled_gates:
        return COUPLED_PEEPHOLE if peephole else COUPLED
    return PEEPHOLE if peephole else CELL


def _with_forget_bias(
    initialization: str | Initialization, forget_bias: float | None, *, bias: bool
) -> str | Initialization:
    if forget_bias is None:
        return initialization
    if not bias:
        raise ValueError(f"forget_bias={forget_bias}: expected a layer with biases, got bias=False")
    return ForgetBias(forget_bias, initialization)


@register_layer
class LSTM(AbstractRecurrent):
    r"""Unfold a long short-term memory over time.

    $$i_t = \sigma(W_{ii} x_t + b_{ii} + W_{hi} h_{t-1} + b_{hi})$$
    $$f_t = \sigma(W_{if} x_t + b_{if} + W_{hf} h_{t-1} + b_{hf})$$
    $$g_t = f(W_{ig} x_t + b_{ig} + W_{hg} h_{t-1} + b_{hg})$$
    $$o_t = \sigma(W_{io} x_t + b_{io} + W_{ho} h_{t-1} + b_{ho})$$
    $$c_t = f_t \odot c_{t-1} + i_t \odot g_t, \quad h_t = o_t \odot f(c_t)$$

    With `proj_size` P > 0 the output and state h is W_{hr} h_t. With `coupled_gates` there is no forget gate, and
    f_t = 1 - i_t. With `peephole` the gates see the cell state: $p_i \odot c_{t-1}$, $p_f \odot c_{t-1}$ and
    $p_o \odot c_t$ are added inside their σ; the parameter `diagonal_l…` has the rows p_i, p_f, p_o. Keeps 5·T·N·H
    scalars for the backward pass, 4·T·N·H with coupled gates.

    Sources: Hochreiter and Schmidhuber 1997, Long Short-Term Memory; forget gate: Gers et al. 2000, Learning to Forget;
    peepholes: Gers and Schmidhuber 2000, Recurrent Nets that Time and Count; coupled gates: Greff et al. 2017, LSTM: A
    Search Space Odyssey; projection: Sak et al. 2014, Long Short-Term Memory Based Recurrent Neural Network
    Architectures.

    Args:
        input_size: I, the features of a step.
        hidden_size: H, the hidden units.
        num_layers: L; each layer above the first reads the outputs of the one below.
        bias: whether there are biases.
        batch_first: whether inputs and outputs are (N, T, …) instead of (T, N, …).
        dropout: probability with which an output of a layer below the last is zeroed in training.
        bidirectional: run a second network backwards in time and join the outputs.
        proj_size: P, units that h is projected to; 0 for none.
        device: the device of the parameters.
        dtype: their element type.
        activation: f, any function of a tensor; tanh if None.
        gate_activation: the same for i, f and o.
        recurrent_bias: False drops `bias_hh`.
        initialization: 'torch', 'orthogonal', 'keras', 'chrono', 'identity' or a value such as `Chrono(longest=600)`.
        peephole: let the gates see the cell state.
        coupled_gates: use 1 - i as the forget gate.
        forget_bias: the initial bias of the forget gate, for any initialization; with coupled gates, its negative for
            the input gate. None leaves it to the initialization. Source: Jozefowicz et al. 2015, An
            Empirical Exploration of Recurrent Network Architectures.
        recurrent_dropout: probability with which a unit of h is zeroed on its way to the recurrent weights, in
            training: one mask for each sequence and call, the same at all steps. Source: Gal and Ghahramani 2016, A
            Theoretically Grounded Application of Dropout in Recurrent Neural Networks.
        zoneout: probability with which a unit keeps its state instead of taking the new one, or a pair for h and c; in
            evaluation, the weighted mean of both. Source: Krueger et al. 2017, Zoneout: Regularizing RNNs by Randomly
            Preserving Hidden Activations.
        layer_norm: normalize both halves of the sums of all gates, and c on its way to h. Gains are `gain_…`, and the
            biases those of the layer. Source: Ba et al. 2016, Layer Normalization.
        clip_state_grad: clip the gradient of every state when it passes from a step to the one before: a number c clips
            each element to ±c, `NormClip(1.0)` the norm of each row; any other function of a gradient (N, H) is applied
            on the reference path. Source: Graves 2013, Generating Sequences With Recurrent Neural
            Networks.

    >>> import torch
    >>> from throughtime import nn
    >>> y, (h_n, c_n) = nn.LSTM(3, 8, batch_first=True)(torch.zeros(2, 5, 3))
    >>> y.shape, c_n.shape
    (torch.Size([2, 5, 8]), torch.Size([1, 2, 8]))
    """

    cell = CELL
    torch_layer = torch.nn.LSTM
    autocasts = True
    _variant_defaults: ClassVar = {"peephole": False, "coupled_gates": False}

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        activation: str | Activation | None = None,
        gate_activation: str | Activation = "sigmoid",
        recurrent_bias: bool = True,
        initialization: str | Initialization = "torch",
        peephole: bool = False,
        coupled_gates: bool = False,
        forget_bias: float | None = None,
        recurrent_dropout: float = 0.0,
        zoneout: float | tuple[float, float] = 0.0,
        layer_norm: bool = False,
        clip_state_grad: GradientClip | None = None,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            cell=_cell(peephole=peephole, coupled_gates=coupled_gates),
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
            initialization=_with_forget_bias(initialization, forget_bias, bias=bias),
            recurrent_dropout=recurrent_dropout,
            zoneout=zoneout,
            layer_norm=layer_norm,
            clip_state_grad=clip_state_grad,
        )
        self.peephole = peephole
        self.coupled_gates = coupled_gates


class LSTMCell(AbstractRecurrentCell):
    """One step of a long short-term memory; the equations are those of `LSTM`.

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
        peephole: let the gates see the cell state.
        coupled_gates: use 1 - i as the forget gate.
        forget_bias: the initial bias of the forget gate, for any initialization; with coupled gates, its negative for
            the input gate. None leaves it to the initialization.
    """

    cell = CELL
    torch_layer = torch.nn.LSTMCell

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
        peephole: bool = False,
        coupled_gates: bool = False,
        forget_bias: float | None = None,
    ) -> None:
        super().__init__(
            input_size,
            hidden_size,
            cell=_cell(peephole=peephole, coupled_gates=coupled_gates),
            bias=bias,
            device=device,
            dtype=dtype,
            activation=activation,
            gate_activation=gate_activation,
            recurrent_bias=recurrent_bias,
            initialization=_with_forget_bias(initialization, forget_bias, bias=bias),
        )
