"""What else computes the same layer on this machine, where it is installed: ONNX Runtime and JAX."""

from __future__ import annotations

import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from throughtime.io.onnx_export import export

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Call = Callable[[], Any]


def peers(layer: Any, x: Tensor, dy: Tensor | None) -> dict[str, Call]:
    """A call for each peer that is installed: the outputs for x, or with `dy` the gradients of the weights.

    Args:
        layer: one of ours, single and in one direction, with the weights that all take.
        x: inputs (T, N, I).
        dy: gradients of the outputs (T, N, H).
    """
    found: dict[str, Call] = {}
    if dy is None and find_spec("onnxruntime") and find_spec("onnx"):
        found["ONNX Runtime"] = _onnx_runtime(layer, x)
    if find_spec("jax"):
        found["JAX"] = _jax(layer, x, dy)
    return found


def _onnx_runtime(layer: Any, x: Tensor) -> Call:
    onnxruntime = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "layer.onnx"
        export(layer, file)
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    given = {"x": x.numpy()}
    return lambda: session.run(["y"], given)[0]


def _jax(layer: Any, x: Tensor, dy: Tensor | None) -> Call:
    """A scan, compiled; what does not depend on the state is computed before it, for all steps at once."""
    jax, jnp = import_module("jax"), import_module("jax.numpy")
    step = _STEPS[type(layer).__name__]
    weights = tuple(jnp.asarray(p.detach().numpy()) for p in layer.parameters())
    given = jnp.asarray(x.numpy())
    states = len(layer.cell.states)

    def run(weights: tuple[Any, ...]) -> Any:
        w_ih, w_hh, b_ih, b_hh = weights
        inputs = given @ w_ih.T + b_ih
        zeros = jnp.zeros((given.shape[1], w_hh.shape[1]), given.dtype)

        def next_of(state: tuple[Any, ...], gates: Any) -> tuple[tuple[Any, ...], Any]:
            after = step(jax, gates, state, w_hh, b_hh)
            return after, after[0]

        return jax.lax.scan(next_of, (zeros,) * states, inputs)[1]

    if dy is None:
        infer = jax.jit(run)
        return lambda: np.asarray(infer(weights))
    back = jnp.asarray(dy.numpy())
    gradients = jax.jit(jax.grad(lambda weights: (run(weights) * back).sum()))
    return lambda: jax.block_until_ready(gradients(weights))


def _rnn(jax: Any, gates: Any, state: tuple[Any, ...], w_hh: Any, b_hh: Any) -> tuple[Any, ...]:
    return (jax.numpy.tanh(gates + state[0] @ w_hh.T + b_hh),)


def _gru(jax: Any, gates: Any, state: tuple[Any, ...], w_hh: Any, b_hh: Any) -> tuple[Any, ...]:
    (h,) = state
    reset, update, new = jax.numpy.split(gates, 3, -1)
    h_reset, h_update, h_new = jax.numpy.split(h @ w_hh.T + b_hh, 3, -1)
    keep = jax.nn.sigmoid(update + h_update)
    return ((1 - keep) * jax.numpy.tanh(new + jax.nn.sigmoid(reset + h_reset) * h_new) + keep * h,)


def _lstm(jax: Any, gates: Any, state: tuple[Any, ...], w_hh: Any, b_hh: Any) -> tuple[Any, ...]:
    h, c = state
    i, f, g, o = jax.numpy.split(gates + h @ w_hh.T + b_hh, 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jax.numpy.tanh(g)
    return jax.nn.sigmoid(o) * jax.numpy.tanh(c), c


_STEPS = {"RNN": _rnn, "GRU": _gru, "LSTM": _lstm}
