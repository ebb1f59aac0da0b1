"""What all recurrent layers share: parameters, the stack of layers and directions, and torch's conventions around them.

A layer is a stack of scans. This file reads whatever torch.nn's layers read (batched or not, time or batch first,
padded with lengths or packed), runs the stack and gives the result back in the same form. What a layer computes is the
business of its cell; see `rnn.py`, `gru.py` and `lstm.py`, one file for each.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import nn
from torch._C import _get_tracing_state
from torch.compiler import is_compiling
from torch.nn.utils.rnn import PackedSequence

from throughtime._core._scan import scan_all_states, scan_flat, select_kernel, try_kernel
from throughtime._core.reference import activation_name
from throughtime._core.rng import dropout
from throughtime._core.shapes import BatchLengths, Weights, WeightSpec, check_permutations
from throughtime._core.state_transforms import LayerNormWeights
from throughtime.nn._activation import ActivationMixin
from throughtime.nn._checks import check_arguments, check_input, read_state, refuse_tracing
from throughtime.nn._sequence_options import SequenceOptions, run_masked, unwrap_single
from throughtime.nn._state_options import StateOptions
from throughtime.nn.initialization import get_initialization

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from throughtime._core.cell import Cell
    from throughtime._core.scan_config import ScanConfig
    from throughtime.nn.initialization import Initialization

    Activation = str | Callable[[Tensor], Tensor]
    States = tuple[Tensor, ...]


_MISSING = "missing"  # the parameter, always None, that stands for those that a layer does not have


class AbstractRecurrent(ActivationMixin):
    """A stack of recurrent layers; torch.nn's constructor arguments, parameter names, layouts and errors."""

    _variant_defaults: ClassVar[dict[str, bool]] = {}  # options that choose the cell, and their defaults
    _autocasts = False  # to the type of torch.autocast; torch keeps GRU in float32 there
    _fast_path = True  # a plain call asks the kernel before anything else; not while `trace` watches

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
        initialization: str | Initialization,
        options: StateOptions,
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
        self.set_activations(cell.activations[0] if activation is None else activation, gate_activation)
        self.recurrent_bias = recurrent_bias
        self.initialization = initialization
        self.options = options
        check_arguments(self, dropout)
        options.check(cell)
        self.directions = 2 if bidirectional else 1
        self._state_sizes = cell.state_sizes(hidden_size, proj_size)
        self._is_plain = options == StateOptions()
        self._is_single = num_layers == 1 and self._is_plain
        self.register_parameter(_MISSING, None)
        self._flat_names = [self._register_layer(layer, device, dtype) for layer in range(num_layers)]
        self._fields = [itemgetter(*names) for names in self._flat_names]
        self._specs = [WeightSpec(self._sizes(n), proj_size, names) for n, names in enumerate(self._flat_names)]
        self.reset_parameters()

    @property
    def all_weights(self) -> list[list[Tensor]]:
        """The parameters of each layer and direction."""
        directions = [w for layer in range(self.num_layers) for w in self.weights(layer)]
        return [[weight for weight in direction if weight is not None] for direction in directions]

    @property
    def _flat_weights(self) -> list[Tensor]:
        """The parameters in one list, where programs written for torch.nn look for them."""
        return [weight for direction in self.all_weights for weight in direction]

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw every parameter anew, as `initialization` says."""
        fill = get_initialization(self.initialization)
        for layer in range(self.num_layers):
            for weights in self.weights(layer):
                fill(self.cell, weights)
            for norm in self._layer_norms(layer):
                for gain in (norm.gain_ih, norm.gain_hh, norm.gain_state):
                    if gain is not None:
                        nn.init.ones_(gain)
                if norm.bias_state is not None:
                    nn.init.zeros_(norm.bias_state)

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
            parts.append(f"activation={activation_name(self.activation)}")
        if self.initialization != "torch":
            parts.append(f"initialization={self.initialization!r}")
        if self.gate_activation != "sigmoid":
            parts.append(f"gate_activation={activation_name(self.gate_activation)}")
        parts += [f"{name}={value}" for name, value in self.variant_options().items()]
        parts += self.options.repr_parts()
        return ", ".join(parts)

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Any = None,
        *,
        lengths: Tensor | Sequence[int] | None = None,
        mask: Tensor | None = None,
        reset: Tensor | None = None,
        return_all_states: bool = False,
    ) -> tuple[Any, ...]:
        """Run all steps.

        Args:
            input: (T, N, I); (N, T, I) with `batch_first`; (T, I) for a single sequence; or a `PackedSequence`.
            hx: the initial state (L*D, N, H), for an LSTM the pair (h_0, c_0); zero if None.
            lengths: valid steps of each row, in any order, 0 … T. Outputs behind the end of a sequence are zero, and
                its final state is that of its last valid step; a sequence of no steps returns its initial state.
            mask: boolean (T, N), or (N, T) with `batch_first`, true where there is a step, with gaps anywhere: the
                state is held over them, and their outputs are zero. Together with `lengths`, what both allow. Under
                torch.compile its values break the graph.
            reset: boolean (N,): rows whose initial states are zero, whatever `hx` says; or boolean, of the form of a
                mask: the state is zero before these steps (in a gap: before the next valid one), so that what comes
                before and after does not see each other in either direction.
            return_all_states: return the states of all steps too.

        Returns:
            The outputs of the last layer, in the form of the input with D*H features, and the final state (L*D, N, H),
            for an LSTM the pair (h_n, c_n). With `return_all_states`, the states of every layer and direction after
            every step as well, (L*D, T, N, H), or (L*D, N, T, H) with `batch_first`, for an LSTM the pair; they are
            zero where the outputs are.

        Raises:
            ValueError: if dimensions, element types, lengths, mask or reset do not fit.
            RuntimeError: if sizes do not fit.
        """
        if _get_tracing_state():
            refuse_tracing()
        is_plain_call = lengths is mask is reset is None and not return_all_states
        if is_plain_call and self._is_single and self._fast_path and type(input) is torch.Tensor:
            transposed = self.batch_first and input.dim() == 3
            x = input.transpose(0, 1) if transposed else input
            state = () if hx is None else (hx,) if len(self.cell.states) == 1 else tuple(hx)
            found = try_kernel(self.cell, x, state, self._flat_weights_of(0), self.scan_config, self._specs[0])
            if found is not None:
                y, finals = found
                return y.transpose(0, 1) if transposed else y, unwrap_single(finals)
        if isinstance(input, PackedSequence):
            if mask is not None or reset is not None or return_all_states:
                raise ValueError(
                    "mask, reset, return_all_states: expected a padded input with lengths=, got a packed one"
                )
            return self._forward_packed(input, hx, lengths)
        check_input(self, input, (2, 3))
        batched = input.dim() == 3
        x = input if batched else input.unsqueeze(1)
        if batched and self.batch_first:
            x = x.transpose(0, 1)
        steps, batch, _ = x.shape
        if steps == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")
        state = () if hx is None else read_state(self, hx, batch, x.dtype, batched=batched)
        if mask is not None or reset is not None or return_all_states:
            return run_masked(self, x, state, lengths, SequenceOptions(mask, reset, return_all_states), batched=batched)
        y, finals = self._run(x, state, None if lengths is None else BatchLengths.padded(lengths, steps, batch))
        if not batched:
            y, finals = y.squeeze(1), tuple(s.squeeze(1) for s in finals)
        elif self.batch_first:
            y = y.transpose(0, 1)
        return y, unwrap_single(finals)

    def step(self, x: Tensor, hx: Any = None) -> tuple[Tensor, Any]:
        """Advance by one step, at a cost that does not depend on how many came before.

        Args:
            x: (N, I), or (I,) for a single sequence.
            hx: the state that the step before has returned; zero if None.

        Returns:
            The output of the last layer, (N, H) or (H,), and the state to go on from, in the form of `forward`'s.

        Raises:
            ValueError: if the layer is bidirectional, since what comes next is not known yet, or x is neither.
        """
        if self.bidirectional:
            raise ValueError("step: expected a layer of one direction, got a bidirectional one, which needs all steps")
        check_input(self, x, (1, 2))
        time = 1 if self.batch_first and x.dim() == 2 else 0
        y, state = self(x.unsqueeze(time), hx)
        return y.squeeze(time), state

    def weights(self, layer: int) -> list[Weights]:
        """The weights of a layer (0 … L-1), one set for each direction."""
        flat = self._flat_weights_of(layer)
        fields = len(Weights._fields)
        return [Weights(*flat[i : i + fields]) for i in range(0, len(flat), fields)]

    def check_weights(self, layer: int) -> None:
        """Raise where the weights of a layer do not have its sizes, or several element types or devices.

        Raises:
            RuntimeError: with the name of the weight, and what was expected of it.
        """
        flat = self._flat_weights_of(layer)
        self._specs[layer].check(self.cell, flat[0], flat)

    def variant_options(self) -> dict[str, bool]:
        """The options that choose another cell than the plain one, by name."""
        return {
            name: getattr(self, name) for name, plain in self._variant_defaults.items() if getattr(self, name) != plain
        }

    def path(self, x: Tensor, *, return_all_states: bool = False) -> str:
        """Say whether a call with this input takes the compiled kernels or the reference path, and why."""
        fallback_reason = self.options.fallback_reason(training=self.training)
        if return_all_states and len(self.cell.states) > 1:
            fallback_reason = f"the kernels tell of h alone, not of all states of cell {self.cell.name!r}"
        scan_config = self.scan_config._replace(fallback_reason=fallback_reason or self.scan_config.fallback_reason)
        weights = self._flat_weights_of(0)
        if torch._C._is_any_autocast_enabled():
            x, _ = self._autocast(x)
            weights = _like(x, weights)
        kernel, reason = select_kernel(self.cell, x, weights, scan_config)
        return f"reference: {reason}" if kernel is None else f"kernel: compiled for {kernel.isa}"

    def layer_config(self, layer: int, x: Tensor, batch: int) -> ScanConfig:
        """How a layer runs a call, chance drawn: x has the element type and the device of the call."""
        fallback_reason, clip = self.options.fallback_reason(training=self.training), self.options.limit()
        if not fallback_reason and not clip[0]:
            return self.scan_config
        size = batch, self._state_sizes[0]
        norms = [LayerNormWeights(*_like(x, norm)) for norm in self._layer_norms(layer)] or [None] * self.directions
        transforms = [self.options.transforms(self.cell, x, size, norm, training=self.training) for norm in norms]
        return self.scan_config._replace(
            fallback_reason=fallback_reason or self.scan_config.fallback_reason, transforms=tuple(transforms), clip=clip
        )

    def _forward_packed(
        self, packed: PackedSequence, hx: Any, lengths: Tensor | Sequence[int] | None
    ) -> tuple[PackedSequence, Any]:
        data, batch_sizes, order, back = packed
        check_input(self, data, (2,))
        if lengths is not None:
            raise ValueError("lengths: expected None with a PackedSequence, which has its own")
        ragged = BatchLengths.packed(batch_sizes, len(data))
        batch = len(ragged.lengths)
        if order is not None or back is not None:
            check_permutations(order, back, batch)
        state = () if hx is None else read_state(self, hx, batch, data.dtype, batched=True)
        if order is not None:
            state = tuple(s.index_select(1, order) for s in state)
        y, finals = self._run(data, state, ragged)
        if back is not None:
            finals = tuple(s.index_select(1, back) for s in finals)
        return PackedSequence(y, batch_sizes, order, back), unwrap_single(finals)

    def _run(
        self, x: Tensor, state: States, ragged: BatchLengths | None, all_states: list[States] | None = None
    ) -> tuple[Tensor, States]:
        """Run the stack of layers, and note the states of all steps of each layer where that is wanted."""
        if torch._C._is_any_autocast_enabled():
            x, state = self._autocast(x, *state)
        if self._is_single and all_states is None:
            weights = self._flat_weights_of(0)
            if weights[0].dtype is not x.dtype:  # autocast
                weights = _like(x, weights)
            return scan_flat(self.cell, x, state, weights, ragged, self.scan_config, spec=self._specs[0])
        return self._run_stack(x, state, ragged, all_states)

    def _run_stack(
        self, x: Tensor, state: States, ragged: BatchLengths | None, all_states: list[States] | None
    ) -> tuple[Tensor, States]:
        batch = x.shape[1] if ragged is None else len(ragged.lengths)
        finals = []
        for layer in range(self.num_layers):
            rows = slice(layer * self.directions, (layer + 1) * self.directions)
            weights = self._flat_weights_of(layer)
            if weights[0].dtype is not x.dtype:  # autocast
                weights = _like(x, weights)
            call = self.cell, x, tuple([s[rows] for s in state]), weights, ragged
            scan_config = self.scan_config if self._is_plain else self.layer_config(layer, x, batch)
            if all_states is None:
                x, final = scan_flat(*call, scan_config, spec=self._specs[layer])
            else:
                states, final = scan_all_states(*call, scan_config, spec=self._specs[layer])
                all_states.append(states)
                x = states[0]
            finals.append(final)
            if self.dropout and layer < self.num_layers - 1:
                x = dropout(x, self.dropout, self.training)
        return x, tuple(torch.cat(states) for states in zip(*finals, strict=True))

    def _autocast(self, x: Tensor, *state: Tensor) -> tuple[Tensor, States]:
        """Stand in for torch.autocast, whose lists of operations do not know ours."""
        dtype = torch.get_autocast_dtype(x.device.type) if self._autocasts else x.dtype
        return x.to(dtype), tuple(s.to(dtype) for s in state)

    def _flat_weights_of(self, layer: int) -> tuple[Any, ...]:
        """The fields of `Weights` for each direction of a layer, one after the other."""
        if not is_compiling():  # what traces cannot look into the getter
            try:
                return self._fields[layer](self._parameters)
            except KeyError:  # pruned or parametrised: no longer a parameter, but an attribute
                pass
        return tuple([getattr(self, name) for name in self._flat_names[layer]])

    def _layer_norms(self, layer: int) -> list[LayerNormWeights]:
        """The gains of layer normalisation in a layer, for each direction, where there are any."""
        if not self.options.layer_norm:
            return []
        suffixes = [f"_l{layer}{suffix}" for suffix in ("", "_reverse")[: self.directions]]
        fields = ([getattr(self, field + suffix, None) for field in LayerNormWeights._fields] for suffix in suffixes)
        return [LayerNormWeights(*cast("list[Any]", gains)) for gains in fields]

    def _sizes(self, layer: int) -> tuple[int, int]:
        """I and H of a layer."""
        return self.input_size if layer == 0 else self._state_sizes[0] * self.directions, self.hidden_size

    def _norm_sizes(self) -> dict[str, int]:
        """How many gains each field of `LayerNormWeights` has."""
        rows = len(self.cell.gates) * self.hidden_size
        sizes = {"gain_ih": rows, "gain_hh": rows}
        if "c" in self.cell.states:  # the inner state, by the convention of `Cell`
            sizes["gain_state"] = self.hidden_size
            if self.bias:
                sizes["bias_state"] = self.hidden_size
        return sizes

    def _register_layer(
        self, layer: int, device: torch.device | str | None, dtype: torch.dtype | None
    ) -> tuple[str, ...]:
        """Create the parameters of a layer. Returns their names in the order of `Weights`, for each direction."""
        width, _ = self._sizes(layer)
        shapes = self.cell.parameter_shapes(
            width, self.hidden_size, bias=self.bias, recurrent_bias=self.recurrent_bias, proj_size=self.proj_size
        )
        names: list[str] = []
        for suffix in ("", "_reverse")[: self.directions]:
            for name, shape in shapes.items():
                parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                self.register_parameter(f"{name}_l{layer}{suffix}", parameter)
            if self.options.layer_norm:
                for name, size in self._norm_sizes().items():
                    parameter = nn.Parameter(torch.empty(size, device=device, dtype=dtype))
                    self.register_parameter(f"{name}_l{layer}{suffix}", parameter)
            names += [f"{field}_l{layer}{suffix}" if field in shapes else _MISSING for field in Weights._fields]
        return tuple(names)


def _like(x: Tensor, tensors: Sequence[Tensor | None]) -> tuple[Any, ...]:
    """Tensors of the element type of x."""
    return tuple([t if t is None else t.to(x.dtype) for t in tensors])
