"""Other libraries that compute the same layer on this machine, if they are installed: ONNX Runtime and JAX."""

from __future__ import annotations

import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from throughtime._core.reference import CELLS
from throughtime.io.onnx_export import export

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    Call = Callable[[], Any]


def peers(layer: Any, x: Tensor, dy: Tensor | None) -> dict[str, Call]:
    """Return a call for each installed library: the outputs for x, or with `dy` the gradients of the weights.

    Args:
        layer: a layer of throughtime with one direction and without options that torch.nn does not have.
        x: inputs (T, N, I).
        dy: gradients of the outputs (T, N, H).
    """
    calls: dict[str, Call] = {}
    if dy is None and find_spec("onnxruntime") and find_spec("onnx"):
        calls["ONNX Runtime"] = _onnx_runtime(layer, x)
    if find_spec("jax"):
        calls["JAX"] = _jax(layer, x, dy)
    return calls


def _onnx_runtime(layer: Any, x: Tensor) -> Call:
    onnxruntime = import_module("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "layer.onnx"
        export(layer, file)
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    features = {"x": x.numpy()}
    return lambda: session.run(["y"], features)[0]


def _jax(layer: Any, x: Tensor, dy: Tensor | None) -> Call:
    """Return a compiled scan; the products of the inputs are computed before it, for all steps at once."""
    jax, jnp = import_module("jax"), import_module("jax.numpy")
    step: Any = CELLS[layer.cell.name].step  # arithmetic alone, so it takes arrays of JAX as well
    weights = tuple(jnp.asarray(p.detach().numpy()) for p in layer.parameters())
    features = jnp.asarray(x.numpy())
    gates, states = len(layer.cell.gates), len(layer.cell.states)

    def run(weights: tuple[Any, ...]) -> Any:
        w_ih, w_hh, b_ih, b_hh = weights
        inputs = features @ w_ih.T + b_ih
        zeros = jnp.zeros((features.shape[1], w_hh.shape[1]), features.dtype)

        def hidden(h: Any) -> Any:
            return jnp.split(h @ w_hh.T + b_hh, gates, -1)

        def advance(state: tuple[Any, ...], sums: Any) -> tuple[tuple[Any, ...], Any]:
            halves = jnp.split(sums, gates, -1)
            new_state, _ = step(halves, hidden, state, (), jnp.tanh, jax.nn.sigmoid, jnp.tanh)
            return new_state, new_state[0]

        return jax.lax.scan(advance, (zeros,) * states, inputs)[1]

    if dy is None:
        infer = jax.jit(run)
        return lambda: np.asarray(infer(weights))
    output_gradients = jnp.asarray(dy.numpy())
    gradients = jax.jit(jax.grad(lambda weights: (run(weights) * output_gradients).sum()))
    return lambda: jax.block_until_ready(gradients(weights))
