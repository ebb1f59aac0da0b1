"""What the single-step modules share: the `RNNCell`, `GRUCell` and `LSTMCell` of torch.nn, as a scan of one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn
from torch._C import _get_tracing_state

from throughtime._core._scan import scan
from throughtime._core.weights import Weights, WeightSpec
from throughtime.nn._activation import ActivationMixin
from throughtime.nn._checks import refuse_tracing
from throughtime.nn._sequence_options import unwrap_single
from throughtime.nn._stack import autocast, cast_like
from throughtime.nn.initialization import get_initialization

if TYPE_CHECKING:
    from throughtime._core.activations import Activation
    from throughtime._core.cell import Cell
    from throughtime._core.reference import States
    from throughtime.nn.initialization import Initialization


class AbstractRecurrentCell(ActivationMixin):
    """One step of a cell, with the arguments, parameter names and errors of torch.nn.

    Attributes:
        cell: the description of the cell; of the class, that of the module with default options.
        torch_layer: the module of torch.nn that takes the same weights, where there is one.
    """

    cell: Cell
    torch_layer: ClassVar[type[nn.Module] | None] = None
    autocasts: ClassVar[bool] = False  # see `AbstractRecurrent`

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        cell: Cell | None = None,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        activation: str | Activation | None = None,
        gate_activation: str | Activation = "sigmoid",
        recurrent_bias: bool = True,
        initialization: str | Initialization = "torch",
    ) -> None:
        super().__init__()
        self.cell = cell = self.cell if cell is None else cell
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        self.set_activations(cell.activations[0] if activation is None else activation, gate_activation)
        self.recurrent_bias = recurrent_bias
        self.initialization = initialization
        shapes = cell.parameter_shapes(input_size, hidden_size, bias=bias, recurrent_bias=recurrent_bias)
        for name in Weights._fields:
            shape = shapes.get(name)
            parameter = None if shape is None else nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
            self.register_parameter(name, parameter)
        self._spec = WeightSpec((input_size, hidden_size), 0, Weights._fields)
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw all parameters again, by `initialization`."""
        if self.hidden_size > 0:
            get_initialization(self.initialization)(self.cell, self._weights())

    def extra_repr(self) -> str:
        """Describe what differs from the defaults."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        parts += [f"{name}=False" for name in ("bias", "recurrent_bias") if not getattr(self, name)]
        if self.activation != self.cell.activations[0]:
            parts.append(f"nonlinearity={getattr(self.activation, '__name__', self.activation)}")
        return ", ".join(parts)

    def forward(self, input: torch.Tensor, hx: Any = None) -> Any:
        """Advance by one step.

        Args:
            input: (N, I), or (I,) for a single sequence.
            hx: the state (N, H) or (H,), for an LSTM the pair (h, c); zero if None.

        Returns:
            The next state, in the form of `hx`.

        Raises:
            ValueError: if the input or the state has another number of dimensions.
            RuntimeError: if sizes do not fit.
        """
        if _get_tracing_state():
            refuse_tracing()
        name = type(self).__name__
        if input.dim() not in (1, 2):
            raise ValueError(f"{name}: Expected input to be 1D or 2D, got {input.dim()}D instead")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(f"input has inconsistent input_size: got {input.shape[-1]} expected {self.input_size}")
        x = input if input.dim() == 2 else input.unsqueeze(0)
        state = () if hx is None else self._read_state(hx, x.shape[0], batched=input.dim() == 2)
        weights: tuple[Any, ...] = self._weights()
        if torch._C._is_any_autocast_enabled():
            x, state = autocast(x, state, enabled=self.autocasts)
            weights = cast_like(x, weights)
        _, finals = scan(self.cell, x.unsqueeze(0), state, weights, config=self.scan_config, spec=self._spec)
        finals = tuple(s.squeeze(0) if input.dim() == 2 else s.squeeze(0).squeeze(0) for s in finals)
        return unwrap_single(finals)

    def _weights(self) -> Weights:
        return Weights(*[getattr(self, name) for name in Weights._fields])

    def _read_state(self, hx: Any, batch: int, *, batched: bool) -> States:
        state = (hx,) if len(self.cell.states) == 1 else tuple(hx)
        for k, s in enumerate(state):
            label = "hidden" if len(state) == 1 else f"hx[{k}]"
            if s.dim() not in (1, 2):
                raise ValueError(f"{type(self).__name__}: Expected {label} to be 1D or 2D, got {s.dim()}D instead")
            if s.shape[-1] != self.hidden_size:
                raise RuntimeError(
                    f"hidden{k} has inconsistent hidden_size: got {s.shape[-1]}, expected {self.hidden_size}"
                )
            if (s.dim() == 2) != batched:
                dimensions = 2 if batched else 1
                raise RuntimeError(f"{label}: expected {dimensions}D with an input of as many, got {s.dim()}D")
            if batched and s.shape[0] != batch:
                raise RuntimeError(f"Input batch size {batch} doesn't match hidden{k} batch size {s.shape[0]}")
        return tuple(s.unsqueeze(0) if batched else s.unsqueeze(0).unsqueeze(0) for s in state)
