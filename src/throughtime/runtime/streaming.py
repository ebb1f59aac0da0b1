"""Networks that advance step by step, by the compiled kernels and without torch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime import _kernels
from throughtime._core.errors import InputError
from throughtime.io.network_description import check_description

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_TYPES = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64)}


class StreamingNetwork:
    """A network that reads one step at a time and keeps its state.

    Args:
        description: the description of the network, as `throughtime.save` writes it.
        weights: arrays by name.

    Raises:
        InputError: for a network that cannot run step by step, or that is not compiled.
    """

    def __init__(self, description: dict[str, Any], weights: dict[str, np.ndarray]) -> None:
        options = description["options"]
        dtype = description["dtype"]
        if options["bidirectional"]:
            raise InputError(
                "runtime: expected a network of one direction; a bidirectional one needs all steps at once"
            )
        if dtype not in _TYPES or options.get("proj_size"):
            raise InputError(f"runtime: expected float32 or float64 without projections, got {dtype}")
        not_compiled = [name for name in ("layer_norm", "zoneout") if options.get(name)]
        if not_compiled:
            raise InputError(f"runtime: expected a network without {' and '.join(not_compiled)}, not compiled here")
        if description.get("pooling", "final") != "final":
            raise InputError("runtime: expected a network with outputs at each step, got one that pools all steps")
        self._dtype = _TYPES[dtype]
        activation = options.get("nonlinearity", options.get("activation"))
        kernel = _kernels.find(description["cell"], activation, 64 if dtype == "float64" else 32)
        trainer = _kernels.find_trainer(dtype == "float64")
        if kernel is None or trainer is None or options.get("gate_activation", "sigmoid") != "sigmoid":
            raise InputError(
                f"runtime: cell {description['cell']!r} with activation {activation!r} is not compiled here"
            )
        self._inputs, self._hidden = options["input_size"], options["hidden_size"]
        self._states, self._layers = kernel.states, options["num_layers"]
        self._engine = _kernels.new_streaming_network(trainer, self._inputs)
        prefix = "layer." if "layout" in description else ""
        for number in range(self._layers):
            width = self._hidden if number else self._inputs
            rows = kernel.gates * self._hidden
            shapes = {
                "weight_ih": (rows, width),
                "weight_hh": (rows, self._hidden),
                "bias_ih": (rows,),
                "bias_hh": (rows,),
                "diagonal": (kernel.diagonals, self._hidden),
            }
            arrays = tuple(
                self._weight(weights, f"{prefix}{n}_l{number}", s, n) if 0 not in s else None for n, s in shapes.items()
            )
            self._engine.add_layer(kernel, arrays, self._hidden)
        self.output_size: int = description["outputs"] if "layout" in description else self._hidden
        if "layout" in description:
            weight = self._weight(weights, "output.weight", (self.output_size, self._hidden), "weight")
            bias = self._weight(weights, "output.bias", (self.output_size,), "bias")
            self._engine.set_output(weight, bias, self.output_size, description["output_activation"])

    @classmethod
    def from_config(cls, config: dict[str, Any], weights: dict[str, np.ndarray]) -> StreamingNetwork:
        """Read the configuration of a model directory.

        Raises:
            ValueError: for a description that is not that of the weights.
        """
        check_description(config["network"], {name: array.shape for name, array in weights.items()})
        return cls(config["network"], weights)

    @property
    def state(self) -> np.ndarray:
        """The states of all layers, (L, S, H): read it to keep it, set it to continue from it."""
        state = np.empty((self._layers, self._states, self._hidden), self._dtype)
        for number in range(self._layers):
            self._engine.get_state(number, state[number])
        return state

    @state.setter
    def state(self, value: ArrayLike) -> None:
        state = np.asarray(value, self._dtype)
        expected = (self._layers, self._states, self._hidden)
        if state.shape != expected:
            raise InputError(f"state: expected the shape {expected} of (L, S, H), got {state.shape}")
        for number in range(self._layers):
            self._engine.set_state(number, np.ascontiguousarray(state[number]))

    def reset(self) -> None:
        """Set all states to zero."""
        self.state = np.zeros((self._layers, self._states, self._hidden), self._dtype)

    def step(self, x: ArrayLike) -> np.ndarray:
        """Advance by one step, from x (I) to y (O), or to h (H) for a layer without an output layer.

        Raises:
            InputError: for another shape, or a value that is NaN or infinite; the state does not change then.
        """
        y = np.empty(self.output_size, self._dtype)
        if not (
            type(x) is np.ndarray and x.dtype is self._dtype and x.shape == (self._inputs,) and x.flags.c_contiguous
        ):
            x = self._read(x, (self._inputs,))
        non_finite = self._engine.step(x, y)
        if non_finite >= 0:
            raise self._non_finite(x, non_finite)
        return y

    def run(self, x: ArrayLike) -> np.ndarray:
        """Advance by T steps, from (T, I) to (T, O).

        Raises:
            InputError: as for `step`; no step is run then.
        """
        inputs = self._read(x, (len(np.atleast_1d(np.asarray(x))), self._inputs))
        y = np.empty((len(inputs), self.output_size), self._dtype)
        non_finite = self._engine.run(inputs, y, len(inputs))
        if non_finite >= 0:
            raise self._non_finite(inputs, non_finite)
        return y

    def _non_finite(self, x: np.ndarray, position: int) -> InputError:
        step, feature = divmod(position, self._inputs)
        return InputError(
            f"x: expected finite values, got {x.flat[position]} in feature {feature} of step {step} of this call "
            "(counted from 0); the stream keeps the state from before the call"
        )

    def _read(self, x: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
        try:
            values = np.asarray(x)
        except ValueError as error:
            raise InputError(f"x: expected numbers of shape {shape}, got {type(x).__name__}: {error}") from error
        if values.dtype.kind not in "biuf":
            raise InputError(f"x: expected real numbers of shape {shape}, got {type(x).__name__} of {values.dtype}")
        with np.errstate(over="ignore"):  # an overflow becomes infinite, which is reported
            array = np.ascontiguousarray(values, self._dtype)
        if array.shape != shape and not array.size == math.prod(shape) == 1:
            raise InputError(f"x: expected the shape {shape}, got {array.shape}")
        return array.reshape(shape)

    def _weight(
        self, weights: dict[str, np.ndarray], name: str, shape: tuple[int, ...], kind: str
    ) -> np.ndarray | None:
        array = weights.get(name)
        if array is None and kind.startswith("bias"):
            return None
        if array is None or array.shape != shape or array.dtype != self._dtype:
            actual = "none" if array is None else f"{array.shape} of {array.dtype}"
            raise InputError(f"{name}: expected {shape} of {self._dtype}, got {actual}")
        return np.ascontiguousarray(array)
