"""Networks without torch: load a model directory that `throughtime.save` wrote, and advance a stream step by step.

It needs numpy and the compiled kernels, takes a fraction of a second to import, and a step costs microseconds, however
many came before. The state is carried from call to call.

>>> from throughtime import runtime
>>> stream = runtime.load("model/")  # doctest: +SKIP
>>> y = stream.step(x)  # doctest: +SKIP
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from throughtime import _kernels
from throughtime._core.errors import InputError
from throughtime.io import directory as directories
from throughtime.io.network_description import check_description

if TYPE_CHECKING:
    import os

    from numpy.typing import ArrayLike

_TYPES = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64)}


class StreamingNetwork:
    """A network that reads one step after the other and remembers.

    Args:
        description: of the network, as `throughtime.save` writes it.
        weights: arrays by name.

    Raises:
        InputError: for a network that cannot run step by step, or that is not compiled.
    """

    def __init__(self, description: dict[str, Any], weights: dict[str, np.ndarray]) -> None:
        options = description["options"]
        kind = description["dtype"]
        if options["bidirectional"]:
            raise InputError(
                "runtime: expected a network of one direction; a bidirectional one needs all steps at once"
            )
        if kind not in _TYPES or options.get("proj_size"):
            raise InputError(f"runtime: expected float32 or float64 without projections, got {kind}")
        changing = [name for name in ("layer_norm", "zoneout") if options.get(name)]
        if changing:
            raise InputError(f"runtime: expected a network without {' and '.join(changing)}, which are not compiled")
        if description.get("pooling", "final") != "final":
            raise InputError("runtime: expected outputs of each step, got a network that pools those of all steps")
        self._dtype = _TYPES[kind]
        activation = options.get("nonlinearity", options.get("activation"))
        kernel = _kernels.find(description["cell"], activation, 64 if kind == "float64" else 32)
        trainer = _kernels.find_trainer(kind == "float64")
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
            given = (
                self._weight(weights, f"{prefix}{n}_l{number}", s, n) if 0 not in s else None for n, s in shapes.items()
            )
            self._engine.add_layer(kernel, tuple(given), self._hidden)
        self.output_size: int = description["outputs"] if "layout" in description else self._hidden
        if "layout" in description:
            weight = self._weight(weights, "output.weight", (self.output_size, self._hidden), "weight")
            bias = self._weight(weights, "output.bias", (self.output_size,), "bias")
            self._engine.set_output(weight, bias, self.output_size, description["output_activation"])

    @property
    def state(self) -> np.ndarray:
        """The states of all layers, (L, S, H): read it to keep it, set it to go on from there."""
        found = np.empty((self._layers, self._states, self._hidden), self._dtype)
        for number in range(self._layers):
            self._engine.get_state(number, found[number])
        return found

    @state.setter
    def state(self, value: ArrayLike) -> None:
        given = np.asarray(value, self._dtype)
        expected = (self._layers, self._states, self._hidden)
        if given.shape != expected:
            raise InputError(f"state: expected the shape {expected} of (L, S, H), got {given.shape}")
        for number in range(self._layers):
            self._engine.set_state(number, np.ascontiguousarray(given[number]))

    def reset(self) -> None:
        """Forget everything."""
        self.state = np.zeros((self._layers, self._states, self._hidden), self._dtype)

    def step(self, x: ArrayLike) -> np.ndarray:
        """Advance by one step, from x (I) to y (O); a layer without an output layer gives h (H).

        Raises:
            InputError: for another shape, or a value that is NaN or infinite; the state is then as before the call.
        """
        y = np.empty(self.output_size, self._dtype)
        if not (
            type(x) is np.ndarray and x.dtype is self._dtype and x.shape == (self._inputs,) and x.flags.c_contiguous
        ):
            x = self._read(x, (self._inputs,))
        wrong = self._engine.step(x, y)
        if wrong >= 0:
            raise self._non_finite(x, wrong)
        return y

    def run(self, x: ArrayLike) -> np.ndarray:
        """Advance by T steps, from (T, I) to (T, O).

        Raises:
            InputError: as for `step`; then none of the steps is made.
        """
        given = self._read(x, (len(np.atleast_1d(np.asarray(x))), self._inputs))
        y = np.empty((len(given), self.output_size), self._dtype)
        wrong = self._engine.run(given, y, len(given))
        if wrong >= 0:
            raise self._non_finite(given, wrong)
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
        with np.errstate(over="ignore"):  # what overflows is infinite, and named as such
            given = np.ascontiguousarray(values, self._dtype)
        if given.shape != shape and not given.size == math.prod(shape) == 1:
            raise InputError(f"x: expected the shape {shape}, got {given.shape}")
        return given.reshape(shape)

    def _weight(
        self, weights: dict[str, np.ndarray], name: str, shape: tuple[int, ...], kind: str
    ) -> np.ndarray | None:
        found = weights.get(name)
        if found is None and kind.startswith("bias"):
            return None
        if found is None or found.shape != shape or found.dtype != self._dtype:
            came = "none" if found is None else f"{found.shape} of {found.dtype}"
            raise InputError(f"{name}: expected {shape} of {self._dtype}, got {came}")
        return np.ascontiguousarray(found)


def load(directory: str | os.PathLike[str]) -> StreamingNetwork:
    """Read a network that `throughtime.save` wrote.

    Raises:
        InputError: for a directory that is none, is damaged, or holds a network that cannot run step by step.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as load_arrays

    found = directories.read(directory)
    if found.config.get("task") != "network":
        raise InputError(
            f"{directory}: expected a network written by throughtime.save, got a model for {found.config.get('task')!r}"
        )
    try:
        description, weights = found.config["network"], load_arrays(found.weights)
        check_description(description, {name: array.shape for name, array in weights.items()})
        return StreamingNetwork(description, weights)
    except InputError as error:
        raise InputError(f"{directory}: {error}") from error
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        raise InputError(f"{directory}: does not describe a usable network: {error}") from error
