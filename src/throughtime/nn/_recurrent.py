"""What all recurrent layers share: parameters, and the conventions of torch.nn around the stack of layers.

This file reads whatever the layers of torch.nn read (batched or not, time or batch first, padded with lengths or
packed), runs the stack, and returns the result in the same form. What a layer computes is the business of its cell; see
`rnn.py`, `gru.py` and `lstm.py`, one file for each.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import nn
from torch._C import _get_tracing_state
from torch.compiler import is_compiling
from torch.nn.utils.rnn import PackedSequence

from throughtime._core._scan import try_kernel
from throughtime._core.activations import activation_name
from throughtime._core.kernel_selection import describe_path
from throughtime._core.lengths import BatchLengths, check_permutations
from throughtime._core.state_transforms import LayerNormWeights, StateTransforms, kernel_clip
from throughtime._core.weights import Weights, WeightSpec, split_directions
from throughtime.nn._activation import ActivationMixin
from throughtime.nn._checks import check_arguments, check_input, read_state, refuse_tracing
from throughtime.nn._sequence_options import SequenceOptions, run_masked, unwrap_single
from throughtime.nn._stack import autocast, cast_like, run_stack
from throughtime.nn._state_options import StateOptions
from throughtime.nn.initialization import get_initialization

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from throughtime._core.activations import Activation
    from throughtime._core.cell import Cell
    from throughtime._core.scan_config import ScanConfig
    from throughtime._core.state_transforms import GradientClip
    from throughtime.nn._stack import Runner
    from throughtime.nn.initialization import Initialization


_MISSING = "missing"  # a parameter that is always None, in place of those that a layer does not have


class AbstractRecurrent(ActivationMixin):
    """A stack of recurrent layers, with the constructor arguments, parameter names, layouts and errors of torch.nn.

    A kind of layer sets `cell`; where its constructor takes other arguments than this one, it has its own.

    Attributes:
        cell: the description of the cell; of the class, that of the layer with default options.
        torch_layer: the layer of torch.nn that takes the same weights, where there is one.
        activation_arguments: the constructor's names of activations, and the attributes that hold them.
        runner: runs each layer of the stack instead of the kernels; None for the kernels.
    """

    cell: Cell
    torch_layer: ClassVar[type[nn.Module] | None] = None
    activation_arguments: ClassVar[Mapping[str, str]] = {
        "activation": "activation",
        "gate_activation": "gate_activation",
    }
    autocasts: ClassVar[bool] = False  # to the type of torch.autocast; torch keeps GRU in float32 there
    runner: Runner | None = None
    _variant_defaults: ClassVar[Mapping[str, bool]] = {}  # options that choose the cell

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        *,
        cell: Cell | None = None,
        mode: str | None = None,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        activation: str | Activation | None = None,
        gate_activation: str | Activation = "sigmoid",
        recurrent_bias: bool = True,
        initialization: str | Initialization = "torch",
        recurrent_dropout: float = 0.0,
        zoneout: float | tuple[float, ...] = 0.0,
        layer_norm: bool = False,
        clip_state_grad: GradientClip | None = None,
    ) -> None:
        super().__init__()
        self.mode = self.cell.name.upper() if mode is None else mode
        self.cell = cell = self.cell if cell is None else cell
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
        self.options = StateOptions(recurrent_dropout, zoneout, layer_norm, clip_state_grad)
        check_arguments(self, dropout)
        self.options.check(cell)
        self.directions = 2 if bidirectional else 1
        self.state_sizes = cell.state_sizes(hidden_size, proj_size)
        self._has_options = self.options != StateOptions()
        self.register_parameter(_MISSING, None)
        self._flat_names = [self._register_layer(layer, device, dtype) for layer in range(num_layers)]
        self._getters = [itemgetter(*names) for names in self._flat_names]
        self.weight_specs = [WeightSpec(self._sizes(n), proj_size, names) for n, names in enumerate(self._flat_names)]
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
        """Draw all parameters again, by `initialization`."""
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
            lengths: valid steps of each row, in any order, 0 … T. Outputs after the end of a sequence are zero, and its
                final state is that after its last valid step; a sequence of no steps returns its initial state.
            mask: boolean (T, N), or (N, T) with `batch_first`, true where there is a step, with gaps anywhere: the
                state is held over them, and their outputs are zero. Together with `lengths`, a step must be allowed by
                both. Under torch.compile its values break the graph.
            reset: boolean (N,): rows whose initial states are zero, instead of those in `hx`; or boolean, in the form
                of a mask: the state is zero before these steps (in a gap: before the next valid one), so that the
                steps before and after do not see each other in either direction.
            return_all_states: return the states of all steps too.

        Returns:
            The outputs of the last layer, in the form of the input with D*H features, and the final state (L*D, N, H),
            for an LSTM the pair (h_n, c_n). With `return_all_states`, also the states of every layer and direction
            after every step, (L*D, T, N, H), or (L*D, N, T, H) with `batch_first`, for an LSTM the pair; they are zero
            where the outputs are.

        Raises:
            ValueError: if dimensions, element types, lengths, mask or reset do not fit.
            RuntimeError: if sizes do not fit.
        """
        if _get_tracing_state():
            refuse_tracing()
        if lengths is mask is reset is None and not return_all_states:
            result = self._try_kernel(input, hx)
            if result is not None:
                return result
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
        y, finals = run_stack(self, x, state, None if lengths is None else BatchLengths.padded(lengths, steps, batch))
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
            The output of the last layer, (N, H) or (H,), and the next state, in the form of `forward`'s.

        Raises:
            ValueError: if the layer is bidirectional, since later steps are not known yet, or for another x.
        """
        if self.bidirectional:
            raise ValueError("step: expected a layer of one direction, got a bidirectional one, which needs all steps")
        check_input(self, x, (1, 2))
        time = 1 if self.batch_first and x.dim() == 2 else 0
        y, state = self(x.unsqueeze(time), hx)
        return y.squeeze(time), state

    def weights(self, layer: int) -> list[Weights]:
        """Return the weights of a layer (0 … L-1), one set for each direction."""
        return split_directions(self.flat_weights(layer))

    def flat_weights(self, layer: int) -> tuple[Any, ...]:
        """Return the fields of `Weights` of a layer, for each direction in turn."""
        if not is_compiling():  # what traces cannot look into the getter
            try:
                return self._getters[layer](self._parameters)
            except KeyError:  # pruned or parametrized: an attribute, and no longer a parameter
                pass
        return tuple([getattr(self, name) for name in self._flat_names[layer]])

    def check_weights(self, layer: int) -> None:
        """Check that the weights of a layer have its sizes, and one element type and device.

        Raises:
            RuntimeError: with the name of the weight, and what was expected of it.
        """
        flat = self.flat_weights(layer)
        self.weight_specs[layer].check(self.cell, flat[0], flat)

    def variant_options(self) -> dict[str, bool]:
        """Return the options, by name, that choose another cell than the default."""
        defaults = self._variant_defaults.items()
        return {name: getattr(self, name) for name, default in defaults if getattr(self, name) != default}

    def path(self, x: Tensor, *, return_all_states: bool = False) -> str:
        """Return which path a call with this input takes; see `throughtime.which_path`."""
        reason = self.options.fallback_reason(training=self.training)
        if return_all_states and len(self.cell.states) > 1:
            reason = f"the kernels return h alone, not all states of cell {self.cell.name!r}"
        clip = StateTransforms(clip=self.options.clip_state_grad)
        config = self.scan_config._replace(
            fallback_reason=reason or self.scan_config.fallback_reason, transforms=(clip,) * self.directions
        )
        weights = self.flat_weights(0)
        if torch._C._is_any_autocast_enabled():
            x, _ = autocast(x, (), enabled=self.autocasts)
            weights = cast_like(x, weights)
        return describe_path(self.cell, x, weights, config)

    def layer_config(self, layer: int, x: Tensor, batch: int) -> ScanConfig:
        """Return how a layer runs one call, with masks drawn; x has the element type and the device of the call."""
        if not self._has_options:
            return self.scan_config
        reason = self.options.fallback_reason(training=self.training)
        if not reason and not kernel_clip(self.options.clip_state_grad)[0]:
            return self.scan_config
        size = batch, self.state_sizes[0]
        norms = [LayerNormWeights(*cast_like(x, norm)) for norm in self._layer_norms(layer)] or [None] * self.directions
        transforms = [self.options.transforms(self.cell, x, size, norm, training=self.training) for norm in norms]
        reason = reason or self.scan_config.fallback_reason
        return self.scan_config._replace(fallback_reason=reason, transforms=tuple(transforms))

    def _try_kernel(self, input: Tensor | PackedSequence, hx: Any) -> tuple[Any, ...] | None:
        """Return the result of a plain call of a single layer, where a kernel takes it as it is."""
        if self.num_layers > 1 or self._has_options or self.runner is not None or type(input) is not torch.Tensor:
            return None
        if torch._C._is_any_autocast_enabled():
            return None
        transposed = self.batch_first and input.dim() == 3
        x = input.transpose(0, 1) if transposed else input
        state = () if hx is None else (hx,) if len(self.cell.states) == 1 else tuple(hx)
        weights = self.flat_weights(0)
        result = try_kernel(self.cell, x, state, weights, self.scan_config, spec=self.weight_specs[0])
        if result is None:
            return None
        y, finals = result
        return y.transpose(0, 1) if transposed else y, unwrap_single(finals)

    def _forward_packed(
        self, packed: PackedSequence, hx: Any, lengths: Tensor | Sequence[int] | None
    ) -> tuple[PackedSequence, Any]:
        data, batch_sizes, order, inverse = packed
        check_input(self, data, (2,))
        if lengths is not None:
            raise ValueError("lengths: expected None with a PackedSequence, which has its own")
        batch_lengths = BatchLengths.packed(batch_sizes, len(data))
        batch = batch_lengths.lengths.shape[0]
        if order is not None or inverse is not None:
            check_permutations(order, inverse, batch)
        state = () if hx is None else read_state(self, hx, batch, data.dtype, batched=True)
        if order is not None:
            state = tuple(s.index_select(1, order) for s in state)
        y, finals = run_stack(self, data, state, batch_lengths)
        if inverse is not None:
            finals = tuple(s.index_select(1, inverse) for s in finals)
        return PackedSequence(y, batch_sizes, order, inverse), unwrap_single(finals)

    def _layer_norms(self, layer: int) -> list[LayerNormWeights]:
        """Return the weights of layer normalization of a layer, for each direction; nothing without it."""
        if not self.options.layer_norm:
            return []
        suffixes = [f"_l{layer}{suffix}" for suffix in ("", "_reverse")[: self.directions]]
        fields = ([getattr(self, field + suffix, None) for field in LayerNormWeights._fields] for suffix in suffixes)
        return [LayerNormWeights(*cast("list[Any]", gains)) for gains in fields]

    def _sizes(self, layer: int) -> tuple[int, int]:
        """Return I and H of a layer."""
        return self.input_size if layer == 0 else self.state_sizes[0] * self.directions, self.hidden_size

    def _norm_sizes(self) -> dict[str, int]:
        """Return the number of values of each field of `LayerNormWeights`."""
        rows = len(self.cell.gates) * self.hidden_size
        sizes = {"gain_ih": rows, "gain_hh": rows}
        if self.cell.has_inner_state:
            sizes["gain_state"] = self.hidden_size
            if self.bias:
                sizes["bias_state"] = self.hidden_size
        return sizes

    def _register_layer(
        self, layer: int, device: torch.device | str | None, dtype: torch.dtype | None
    ) -> tuple[str, ...]:
        """Create the parameters of a layer. Return their names in the order of `Weights`, for each direction."""
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
