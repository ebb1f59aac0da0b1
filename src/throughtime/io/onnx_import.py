"""Layers out of ONNX files: what `throughtime.from_onnx` reads.

Every RNN, GRU or LSTM operator of a graph becomes a layer with its weights; the rest of the graph is not looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from throughtime._core.activations import ONNX_ACTIVATIONS
from throughtime._core.errors import InputError
from throughtime.io.onnx_export import ONNX_LAYERS, import_onnx

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from torch import Tensor

    from throughtime.nn._recurrent import AbstractRecurrent


# What ONNX defines, with its defaults of alpha and beta.
_ONNX_FUNCTIONS: dict[str, tuple[Callable[[Tensor, float, float], Tensor], float | None, float | None]] = {
    "Affine": (lambda x, a, b: a * x + b, 1.0, 0.0),
    "LeakyRelu": (lambda x, a, _: functional.leaky_relu(x, a), 0.01, None),
    "ThresholdedRelu": (lambda x, a, _: torch.where(x > a, x, 0 * x), 1.0, None),
    "ScaledTanh": (lambda x, a, b: a * torch.tanh(b * x), 1.0, 1.0),
    "HardSigmoid": (lambda x, a, b: (a * x + b).clamp(0, 1), 0.2, 0.5),
    "Elu": (lambda x, a, _: functional.elu(x, a), 1.0, None),
    "Softsign": (lambda x, _a, _b: functional.softsign(x), None, None),
    "Softplus": (lambda x, _a, _b: functional.softplus(x, threshold=1000.0), None, None),
}
_DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
_INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")


@dataclass(frozen=True)
class OnnxActivation:
    """An activation of ONNX that has no name here.

    Attributes:
        name: ONNX's.
        alpha: its first number, where it has one.
        beta: its second.
    """

    name: str
    alpha: float
    beta: float

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(self, x: Tensor) -> Tensor:
        """Apply it to each element."""
        return _ONNX_FUNCTIONS[self.name][0](x, self.alpha, self.beta)


def from_onnx(file: str | os.PathLike[str]) -> dict[str, AbstractRecurrent]:
    """Read the recurrent layers of an ONNX model.

    Args:
        file: an ONNX model, from any program.

    Returns:
        A layer for each RNN, GRU or LSTM operator, in the order of the graph, by the operator's name (by the name of
        its first output where it has none).

    Raises:
        InputError: for a file that is not an ONNX model or holds no recurrent operator, where weights are computed
            rather than stored, for what our layers cannot do, or where the package onnx is missing.
    """
    onnx = import_onnx()
    path = Path(file)
    try:
        model = onnx.load(path)
        stored = {t.name: t for t in model.graph.initializer}
        stored |= {n.output[0]: a.t for n in model.graph.node if n.op_type == "Constant" for a in n.attribute if a.t}
        weights = {name: torch.from_numpy(onnx.numpy_helper.to_array(t).copy()) for name, t in _floats(stored)}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, TypeError, onnx.checker.ValidationError, _decode_error()) as error:
        raise InputError(f"{path}: damaged, or no ONNX model: {error}") from error
    nodes = [node for node in model.graph.node if node.op_type in ONNX_LAYERS]
    if not nodes:
        raise InputError(f"{path}: expected one of the operators {', '.join(ONNX_LAYERS)}, found none")
    names = [n.name or next(filter(None, n.output)) for n in nodes]
    if len({*names}) < len(names):
        again = next(name for i, name in enumerate(names) if name in names[:i])
        raise InputError(f"{path}: two operators are called {again}: give each a name of its own")
    return {name: _layer(onnx, n, weights, f"{path}: {n.op_type}") for name, n in zip(names, nodes, strict=True)}


def _floats(stored: dict[str, Any]) -> list[tuple[str, Any]]:
    floating = (1, 10, 11)  # float, float16, double: what the weights of these operators may be
    return [(name, tensor) for name, tensor in stored.items() if tensor.data_type in floating]


def _decode_error() -> type[Exception]:
    from google.protobuf.message import DecodeError

    return DecodeError


def _layer(onnx: Any, node: Any, weights: dict[str, Tensor], where: str) -> AbstractRecurrent:
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    direction = attributes.get("direction", b"forward").decode()
    if direction not in ("forward", "bidirectional"):
        raise InputError(f"{where}: expected direction forward or bidirectional, got {direction}: flip the sequence")
    for name in ("clip", "input_forget"):
        if attributes.get(name):
            raise InputError(f"{where}: expected no {name}, which our layers do not have")
    inputs: dict[str, str] = dict(zip(_INPUTS, node.input, strict=False))
    arrays = {name: weights.get(inputs[name]) for name in "WRBP" if inputs.get(name)}
    for name, value in arrays.items():
        if value is None:
            raise InputError(f"{where}: expected the weights {name} in the file, but they come from elsewhere")
    for name in "WR":
        if name not in arrays:
            raise InputError(f"{where}: expected the weights {name}, got none")
    w, r = arrays["W"], arrays["R"]
    directions = 2 if direction == "bidirectional" else 1
    gates = {"RNN": 1, "GRU": 3, "LSTM": 4}[node.op_type]
    if w is None or r is None or w.dim() != 3 or tuple(r.shape) != (directions, gates * r.shape[-1], r.shape[-1]):
        raise InputError(f"{where}: its weights R are not (D, {gates}*H, H)")
    functions = _activations(node.op_type, attributes, directions, where)
    if "P" in arrays:
        functions["peephole"] = True
    if node.op_type == "GRU":
        functions["reset_after"] = bool(attributes.get("linear_before_reset", 0))
    layer = ONNX_LAYERS[node.op_type](
        w.shape[-1],
        r.shape[-1],
        bias="B" in arrays,
        batch_first=bool(attributes.get("layout", 0)),
        bidirectional=directions == 2,
        dtype=w.dtype,
        **functions,
    )
    return _load_weights(layer, arrays, where)


def _activations(operator: str, attributes: dict[str, Any], directions: int, where: str) -> dict[str, Any]:
    """Return the activations of an operator as options of a layer."""
    names = [n.decode() for n in attributes.get("activations", [])] or _DEFAULTS[operator] * directions
    alphas, betas = (list(attributes.get(name, [])) for name in ("activation_alpha", "activation_beta"))
    functions = [_function(name, alphas, betas, where) for name in names]
    per_direction = len(_DEFAULTS[operator])
    first = functions[:per_direction]
    if len(functions) != per_direction * directions or functions != first * directions:
        raise InputError(
            f"{where}: expected the same {per_direction} activations in each direction, got {', '.join(names)}"
        )
    if operator == "LSTM" and first[1] != first[2]:
        raise InputError(f"{where}: expected one activation of the new cell state and the output, got {names[1:3]}")
    gates = {} if operator == "RNN" else {"gate_activation": first[0]}
    return gates | {"activation": first[-1]}


def _function(name: str, alphas: list[float], betas: list[float], where: str) -> Any:
    """Return an activation; one that has numbers takes the next ones."""
    our_names = {theirs.lower(): ours for ours, theirs in ONNX_ACTIVATIONS.items()}
    if name.lower() in our_names:
        return our_names[name.lower()]
    spelling = {theirs.lower(): theirs for theirs in _ONNX_FUNCTIONS}.get(name.lower())
    if spelling is None:
        raise InputError(f"{where}: activation {name!r} is none of ONNX's")
    _, alpha, beta = _ONNX_FUNCTIONS[spelling]
    alpha = alphas.pop(0) if alpha is not None and alphas else alpha
    beta = betas.pop(0) if beta is not None and betas else beta
    return OnnxActivation(spelling, alpha or 0.0, beta or 0.0)


def _load_weights(layer: AbstractRecurrent, arrays: dict[str, Any], where: str) -> AbstractRecurrent:
    """Give a layer its weights, gates in its own order."""
    cell = layer.cell
    back = [cell.onnx_gates.index(gate) for gate in cell.gates]

    def reordered(rows: Tensor) -> Tensor:
        blocks = rows.chunk(len(back))
        return torch.cat([blocks[position] for position in back])

    weights: dict[str, Tensor] = {}
    try:
        for d, suffix in enumerate(("_l0", "_l0_reverse")[: layer.directions]):
            weights[f"weight_ih{suffix}"] = reordered(arrays["W"][d])
            weights[f"weight_hh{suffix}"] = reordered(arrays["R"][d])
            if "B" in arrays:
                for name, half in zip(("bias_ih", "bias_hh"), arrays["B"][d].chunk(2), strict=True):
                    weights[name + suffix] = reordered(half)
            if cell.diagonals:
                order = [gate for gate in cell.onnx_gates if gate in cell.diagonals]
                rows = arrays["P"][d].unflatten(0, (len(order), -1))
                weights[f"diagonal{suffix}"] = rows[[order.index(gate) for gate in cell.diagonals]]
        layer.load_state_dict(weights)
    except (RuntimeError, IndexError) as error:
        raise InputError(f"{where}: its weights do not fit together: {error}") from error
    return layer
