"""What all recurrent layers share: parameters, the stack of layers and directions, and torch's conventions around them.

A layer is a stack of scans. This file reads whatever torch.nn's layers read (batched or not, time or batch first, padded
with lengths or packed), runs the stack and gives the result back in the same form. What a layer computes is the business
of its cell; see `rnn.py`, `gru.py` and `lstm.py`, one file for each.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.nn.functional import dropout
from torch.nn.utils.rnn import PackedSequence

from throughtime._scan import route, scan
from throughtime._shapes import Ragged, Weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from throughtime._cell import Cell

    Activation = str | Callable[[Tensor], Tensor]
    States = tuple[Tensor, ...]


class _Input(NamedTuple):
    """A call's input as the scan wants it, and what it takes to give the output back in the caller's form."""

    x: Tensor  # (T, N, I), or (rows, I) if packed
    ragged: Ragged | None
    batch: int
    batched: bool
    packed: PackedSequence | None


class AbstractRecurrent(nn.Module):
    """A stack of recurrent layers; torch.nn's constructor arguments, parameter names, layouts and errors."""

    _autocasts = False  # to the type of torch.autocast; torch keeps GRU in float32 there

    def __init__(
        self,
        cell: Cell,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        *,
        bias: bool,
        batch_first: bool,
        dropout: float,
        bidirectional: bool,
        proj_size: int,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
        activation: Activation | None,
        gate_activation: Activation,
        recurrent_bias: bool,
    ) -> None:
        super().__init__()
        self.cell = cell
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self.activation: Activation = cell.activations[0] if activation is None else activation
        self.gate_activation: Activation = gate_activation
        self.recurrent_bias = recurrent_bias
        self._check_arguments(dropout)
        self._names = [
            self._register_layer(layer, suffix, device, dtype)
            for layer in range(num_layers)
            for suffix in ("", "_reverse")[: self.directions]
        ]
        self.reset_parameters()

    @property
    def directions(self) -> int:
        """D: 2 if bidirectional."""
        return 2 if self.bidirectional else 1

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names.values()] for names in self._names]

    def reset_parameters(self) -> None:
        """Draw every parameter from the uniform distribution over ±1/√H, as torch.nn does."""
        bound = 1 / math.sqrt(self.hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -bound, bound)

    def flatten_parameters(self) -> None:
        """Do nothing; kept so that programs written for torch.nn run."""

    def extra_repr(self) -> str:
        """Describe what differs from the defaults."""
        parts = [f"{self.input_size}, {self.hidden_size}"]
        if self.proj_size:
            parts.append(f"proj_size={self.proj_size}")
        if self.num_layers != 1:
            parts.append(f"num_layers={self.num_layers}")
        defaults = {"bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False, "recurrent_bias": True}
        parts += [f"{name}={getattr(self, name)}" for name, value in defaults.items() if getattr(self, name) != value]
        if self.activation != self.cell.activations[0]:
            parts.append(f"activation={_name_of(self.activation)}")
        if self.gate_activation != "sigmoid":
            parts.append(f"gate_activation={_name_of(self.gate_activation)}")
        return ", ".join(parts)

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
    ) -> tuple[Any, Any]:
        """Run all steps.

        Args:
            input: (T, N, I); (N, T, I) with `batch_first`; (T, I) for a single sequence; or a `PackedSequence`.
            hx: the initial state (L*D, N, H), for an LSTM the pair (h_0, c_0); zero if None.
            lengths: valid steps of each row, in any order, 0 … T. Outputs behind the end of a sequence are zero, and its
                final state is that of its last valid step; a sequence of no steps returns its initial state.

        Returns:
            The outputs of the last layer, in the form of the input with D*H features, and the final state (L*D, N, H),
            for an LSTM the pair (h_n, c_n).

        Raises:
            ValueError: if dimensions, element types or lengths do not fit.
            RuntimeError: if sizes do not fit.
        """
        given = self._read(input, lengths)
        state = self._read_state(hx, given)
        with Autocast(self._autocasts) as cast:
            y, finals = self._stack(cast(given.x), state and cast(state), given.ragged, cast)
        return self._give_back(y, given), self._give_back_state(finals, given)

    def weights(self, layer: int) -> list[Weights]:
        """The weights of a layer (0 … L-1), one set for each direction."""
        return [self._weights(names) for names in self._names[layer * self.directions : (layer + 1) * self.directions]]

    def path(self, x: Tensor) -> str:
        """Say whether a call with this input takes the compiled kernels or the reference path, and why."""
        kernel, reason = route(self.cell, x, self.weights(0), (self.activation, self.gate_activation))
        return f"{'kernel' if kernel else 'reference'}: {reason}"

    def _stack(
        self, x: Tensor, state: States | None, ragged: Ragged | None, cast: Callable[[Any], Any]
    ) -> tuple[Tensor, States]:
        if self.num_layers == 1:
            return self._layer(0, x, state, ragged, cast)
        finals = []
        for layer in range(self.num_layers):
            rows = slice(layer * self.directions, (layer + 1) * self.directions)
            initial = None if state is None else tuple(s[rows] for s in state)
            x, final = self._layer(layer, x, initial, ragged, cast)
            finals.append(final)
            if self.dropout and layer < self.num_layers - 1:
                x = dropout(x, self.dropout, self.training)
        return x, tuple(torch.cat(states) for states in zip(*finals, strict=True))

    def _layer(
        self, layer: int, x: Tensor, state: States | None, ragged: Ragged | None, cast: Callable[[Any], Any]
    ) -> tuple[Tensor, States]:
        return scan(
            self.cell,
            x,
            state,
            [cast(w) for w in self.weights(layer)],
            ragged=ragged,
            activation=self.activation,
            gate_activation=self.gate_activation,
        )

    def _weights(self, names: dict[str, str]) -> Weights:
        values = {field: getattr(self, name) for field, name in names.items()}
        diagonal = [values.pop(f"weight_{name}") for name in self.cell.diagonals]
        return Weights(**values, diagonal=torch.stack(diagonal) if diagonal else None)

    def _register_layer(
        self, layer: int, suffix: str, device: torch.device | str | None, dtype: torch.dtype | None
    ) -> dict[str, str]:
        """Create the parameters of one layer and direction. Returns their full names by name."""
        width = self.input_size if layer == 0 else (self.proj_size or self.hidden_size) * self.directions
        shapes = self.cell.parameter_shapes(
            width, self.hidden_size, bias=self.bias, recurrent_bias=self.recurrent_bias, proj_size=self.proj_size
        )
        names = {name: f"{name}_l{layer}{suffix}" for name in shapes}
        for name, shape in shapes.items():
            self.register_parameter(names[name], nn.Parameter(torch.empty(shape, device=device, dtype=dtype)))
        return names

    def _check_arguments(self, dropout: float) -> None:
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float)) or not 0 <= dropout <= 1:
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an element being zeroed, "
                f"got {dropout!r}"
            )
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
                f"num_layers greater than 1, but got dropout={dropout} and num_layers={self.num_layers}",
                stacklevel=4,
            )
        for name, kind in (("bias", bool), ("batch_first", bool), ("input_size", int), ("hidden_size", int)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {type(value).__name__}")
        for name in ("input_size", "hidden_size", "num_layers"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be greater than zero, got {getattr(self, name)}")
        if self.proj_size < 0:
            raise ValueError(
                f"proj_size should be a positive integer or zero to disable projections, got {self.proj_size}"
            )
        if self.proj_size >= self.hidden_size:
            raise ValueError(f"proj_size has to be smaller than hidden_size, got {self.proj_size}, {self.hidden_size}")

    def _read(self, input: Tensor | PackedSequence, lengths: Tensor | Sequence[int] | None) -> _Input:
        packed = isinstance(input, PackedSequence)
        data = input.data if packed else input
        if not packed and data.dim() not in (2, 3):
            raise ValueError(f"{type(self).__name__}: Expected input to be 2D or 3D, got {data.dim()}D tensor instead")
        weight = getattr(self, self._names[0]["weight_ih"])
        if data.dtype != weight.dtype and not torch.is_autocast_enabled(data.device.type):
            raise ValueError(
                f"{type(self).__name__}: input must have the type {weight.dtype} of the weights, got type {data.dtype}: "
                f"use input.to({weight.dtype}) or {type(self).__name__}.to({data.dtype})"
            )
        if data.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {data.shape[-1]}"
            )
        if packed:
            if lengths is not None:
                raise ValueError("lengths: expected None with a PackedSequence, which has its own")
            ragged = Ragged.packed(input.batch_sizes)
            return _Input(data, ragged, len(ragged.lengths), True, input)
        batched = data.dim() == 3
        x = data.unsqueeze(1) if not batched else data.transpose(0, 1) if self.batch_first else data
        if x.shape[0] == 0:
            raise RuntimeError(f"Expected sequence length to be larger than 0 in {type(self).__name__}")
        ragged = None if lengths is None else Ragged.padded(lengths, *x.shape[:2])
        return _Input(x, ragged, x.shape[1], batched, None)

    def _read_state(self, hx: Any, given: _Input) -> States | None:
        if hx is None:
            return None
        state = (hx,) if len(self.cell.states) == 1 else tuple(hx)
        if len(state) != len(self.cell.states):
            raise ValueError(f"hx: expected the states {self.cell.states}, got {len(state)} tensors")
        dimensions = 3 if given.batched else 2
        if any(s.dim() != dimensions for s in state):
            kind = "batched 3-D" if given.batched else "unbatched 2-D"
            names = "hx" if len(state) == 1 else "hx and cx"
            came = f"{state[0].dim()}-D" if len(state) == 1 else f"({', '.join(f'{s.dim()}-D' for s in state)})"
            tensor = "tensor" if len(state) == 1 else "tensors"
            raise RuntimeError(f"For {kind} input, {names} should also be {dimensions}-D but got {came} {tensor}")
        if not given.batched:
            state = tuple(s.unsqueeze(1) for s in state)
        layers = self.num_layers * self.directions
        for k, (s, units) in enumerate(
            zip(state, self.cell.state_sizes(self.hidden_size, self.proj_size), strict=True)
        ):
            expected = (layers, given.batch, units)
            if s.shape != expected:
                name = "hidden" if len(state) == 1 else f"hidden[{k}]"
                raise RuntimeError(f"Expected {name} size {expected}, got {list(s.shape)}")
            if s.dtype != given.x.dtype and not torch.is_autocast_enabled(s.device.type):
                raise RuntimeError(f"hx: expected the type {given.x.dtype} of the input, got {s.dtype}")
        if given.packed is not None and given.packed.sorted_indices is not None:
            state = tuple(s.index_select(1, given.packed.sorted_indices) for s in state)
        return state

    def _give_back(self, y: Tensor, given: _Input) -> Tensor | PackedSequence:
        if given.packed is not None:
            packed = given.packed
            return PackedSequence(y, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)
        if not given.batched:
            return y.squeeze(1)
        return y.transpose(0, 1) if self.batch_first else y

    def _give_back_state(self, finals: States, given: _Input) -> Tensor | States:
        if given.packed is not None and given.packed.unsorted_indices is not None:
            finals = tuple(s.index_select(1, given.packed.unsorted_indices) for s in finals)
        if not given.batched:
            finals = tuple(s.squeeze(1) for s in finals)
        return finals[0] if len(finals) == 1 else finals


class Autocast:
    """Stand in for torch.autocast, whose lists of operations do not know ours: cast once, then run without it."""

    def __init__(self, casts: bool) -> None:
        self._enabled = torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")
        self._casts = casts

    def __enter__(self) -> Callable[[Any], Any]:
        if not self._enabled:
            return _unchanged
        device = "cpu" if torch.is_autocast_enabled("cpu") else "cuda"
        dtype = torch.get_autocast_dtype(device) if self._casts else torch.float32
        self._outside = torch.autocast(device, enabled=False)
        self._outside.__enter__()

        def cast(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return value.to(dtype)
            if isinstance(value, Weights):
                return Weights(*(v if v is None else v.to(dtype) for v in value))
            return tuple(v.to(dtype) for v in value)

        return cast

    def __exit__(self, *error: object) -> None:
        if self._enabled:
            self._outside.__exit__(*error)


def _unchanged(value: Any) -> Any:
    return value


def _name_of(activation: Activation) -> str:
    return activation if isinstance(activation, str) else getattr(activation, "__name__", repr(activation))
