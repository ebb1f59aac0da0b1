"""Weights from Keras and back: `throughtime.from_keras` and `throughtime.to_keras`. Neither needs Keras or TensorFlow.

Keras multiplies from the right, so that its matrices are torch's transposed: `kernel` (I, G*H), `recurrent_kernel`
(H, G*H), and `bias` (G*H), or (2, G*H) for a GRU that resets after the product, which has one for each half. In which
order the G blocks stand, the description of the cell knows.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from throughtime._core.errors import InputError, requires
from throughtime.nn import LAYERS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from throughtime.nn._recurrent import AbstractRecurrent

    Arrays = Mapping[str, Any]

    Layer = TypeVar("Layer", bound=AbstractRecurrent)

_WEIGHT_NAMES = ("kernel", "recurrent_kernel", "bias")
_DIRECTIONS = ("forward", "backward")
_WEIGHTS_FILE = "model.weights.h5"  # in a .keras file


def from_keras(layer: Layer, source: str | os.PathLike[str] | Arrays, name: str = "") -> Layer:
    """Give a layer the weights of Keras's layer of the same cell, also within Bidirectional.

    Args:
        layer: a layer of the same sizes; with `num_layers` L it takes the weights of L layers of Keras, by their names
            in the order of the numbers in them. A GRU of Keras is `reset_after=True` unless it says otherwise, as here.
        source: a .keras file, a .h5 file of a model or of its weights, or arrays by name, such as
            `dict(zip(("kernel", "recurrent_kernel", "bias"), keras_layer.get_weights()))`. Names are paths, whose last
            part says what it is; those of both directions lie under `forward_…` and `backward_…`.
        name: take only arrays in whose path this stands, where a model has several layers.

    Returns:
        The layer.

    Raises:
        InputError: if the arrays are not those of as many layers and directions, or their shapes do not fit, if the
            layer has what no layer of Keras has, for a damaged file, or where the package h5py is missing.
    """
    _check(layer)
    arrays = source if isinstance(source, Mapping) else _read(Path(source))
    groups = _group_by_layer({path: a for path, a in arrays.items() if name in path}, len(layer.cell.gates))
    expected = [weights for number in range(layer.num_layers) for weights in layer.weights(number)]
    if len(groups) != len(expected):
        paths = ", ".join(path or "(no path)" for path in groups) or "none"
        raise InputError(
            f"expected the weights of {len(expected)} layers and directions of {len(layer.cell.gates)} gates, "
            f"found {len(groups)}: {paths}. Choose by name="
        )
    if not all(weight is None or isinstance(weight, torch.nn.Parameter) for weights in expected for weight in weights):
        raise InputError("from_keras: expected a layer of plain weights; remove what prunes or parametrises them first")
    with torch.no_grad():
        for weights, (path, group) in zip(expected, groups.items(), strict=True):
            for parameter, value in _torch_values(layer, weights, group, path or "from_keras"):
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(value)))
    return layer


def to_keras(layer: AbstractRecurrent) -> dict[str, np.ndarray]:
    """Make the arrays that Keras's layer of the same kind holds, in the order of its `set_weights`.

    Args:
        layer: of a cell that Keras has.

    Returns:
        `kernel`, `recurrent_kernel` and, with biases, `bias`; under `forward_layer/` and `backward_layer/` where the
        layer is bidirectional, and under `layer_0/`, `layer_1/` … where it is a stack.

    Raises:
        InputError: if the layer has what no layer of Keras has.
    """
    _check(layer)
    order = torch.tensor([layer.cell.gates.index(gate) for gate in layer.cell.keras_gates])
    arrays: dict[str, np.ndarray] = {}

    def to_keras_layout(rows: torch.Tensor) -> torch.Tensor:
        return rows.detach().unflatten(0, (len(order), -1))[order].flatten(0, 1).movedim(0, -1)

    for number in range(layer.num_layers):
        for direction, weights in zip(_DIRECTIONS, layer.weights(number), strict=False):
            path = f"layer_{number}/" if layer.num_layers > 1 else ""
            path += f"{direction}_layer/" if layer.bidirectional else ""
            values = [to_keras_layout(weights.weight_ih), to_keras_layout(weights.weight_hh)]
            if weights.bias_ih is not None:
                second = torch.zeros_like(weights.bias_ih) if weights.bias_hh is None else weights.bias_hh
                both = [to_keras_layout(weights.bias_ih), to_keras_layout(second)]
                values.append(torch.stack(both) if getattr(layer, "reset_after", False) else both[0] + both[1])
            arrays |= {
                path + weight_name: v.contiguous().numpy().copy()
                for weight_name, v in zip(_WEIGHT_NAMES, values, strict=False)
            }
    return arrays


def _check(layer: AbstractRecurrent) -> None:
    if not layer.cell.keras_gates:
        names = ", ".join(name for name, kind in LAYERS.items() if kind.cell.keras_gates)
        raise InputError(f"cell {layer.cell.name!r}: expected one that Keras has: {names}")
    odd = [name for name in ("layer_norm", "zoneout") if name in layer.options.non_default()]
    for name in ["proj_size"] * bool(layer.proj_size) + odd:
        raise InputError(f"{name}: expected a layer without it, since Keras's layers have none")


def _read(path: Path) -> dict[str, np.ndarray]:
    """All arrays of a file, by path."""
    with requires("keras", "a file of Keras"):
        import h5py
    arrays: dict[str, np.ndarray] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            arrays[name] = np.asarray(item)

    try:
        file: Any = path
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                file = io.BytesIO(archive.read(_WEIGHTS_FILE))
        with h5py.File(file, "r") as opened:
            opened.visititems(note)
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a .keras or .h5 file: {error}") from error
    return arrays


def _group_by_layer(arrays: Arrays, gates: int) -> dict[str, dict[str, np.ndarray]]:
    """Return the arrays of each recurrent layer and direction of so many gates, by their path, first layers first."""
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, value in arrays.items():
        path, _, last = name.removesuffix(":0").rpartition("/")
        weight_name = _WEIGHT_NAMES[int(last)] if last in ("0", "1", "2") else last  # Keras 3 numbers them
        if weight_name in _WEIGHT_NAMES:
            groups.setdefault(path, {})[weight_name] = np.asarray(value)

    def is_recurrent(group: dict[str, np.ndarray]) -> bool:
        recurrent = group.get("recurrent_kernel")
        square = recurrent is not None and recurrent.ndim == 2 and recurrent.shape[1] == gates * recurrent.shape[0]
        return square and group.get("kernel", np.empty(0)).ndim == 2

    recurrent = {p: g for p, g in groups.items() if is_recurrent(g) and not p.startswith("optimizer")}
    return dict(sorted(recurrent.items(), key=lambda item: _sort_key(item[0])))


def _sort_key(path: str) -> tuple[list[Any], int]:
    """Return a sort key: the numbers in a path as numbers, and of two directions the backward one last."""
    parts = path.split("/")
    backward = any(segment.startswith("backward") for segment in parts)
    plain = "/".join(re.sub(r"^(forward|backward)_", "", segment) for segment in parts)
    return [int(piece) if piece.isdigit() else piece for piece in re.split(r"(\d+)", plain)], int(backward)


def _torch_values(
    layer: AbstractRecurrent, weights: Any, group: dict[str, np.ndarray], path: str
) -> Iterator[tuple[torch.Tensor, np.ndarray]]:
    """Each parameter, and what is to stand there."""
    cell = layer.cell
    order = [cell.keras_gates.index(gate) for gate in cell.gates]

    def rows(array: np.ndarray) -> np.ndarray:
        blocks = np.split(array.T, len(order))
        return np.concatenate([blocks[position] for position in order])

    for weight_name, parameter in (("kernel", weights.weight_ih), ("recurrent_kernel", weights.weight_hh)):
        if group[weight_name].shape != tuple(parameter.shape[::-1]):
            raise InputError(
                f"{path}/{weight_name}: expected {tuple(parameter.shape[::-1])}, got {group[weight_name].shape}"
            )
        yield parameter, rows(group[weight_name])
    bias = group.get("bias")
    if (bias is None) != (weights.bias_ih is None):
        here = "no bias" if bias is None else "a bias"
        raise InputError(f"{path}: there is {here}: expected a layer of ours with bias={bias is not None}")
    if bias is None:
        return
    halves = bias if bias.ndim == 2 else np.stack([bias, np.zeros_like(bias)])
    if halves.shape != (2, len(weights.bias_ih)):
        raise InputError(f"{path}/bias: expected ({len(weights.bias_ih)},), or two rows of it, got {bias.shape}")
    if weights.bias_hh is None and halves[1].any():
        raise InputError(f"{path}/bias: expected a layer of ours with recurrent_bias=True, since both halves have one")
    yield weights.bias_ih, rows(halves[0])
    if weights.bias_hh is not None:
        yield weights.bias_hh, rows(halves[1])
