"""Weights from Keras: arrays in its documented layout, run by plain transcriptions of its equations, against ours.

The equations are those of keras.layers.SimpleRNN, GRU and LSTM (Keras 3), whose blocks have the order i f c o and
z r h; https://keras.io/api/layers/recurrent_layers.
"""

from __future__ import annotations

import re
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from tests.tolerances import assert_close

import throughtime as tt
from throughtime import nn

if TYPE_CHECKING:
    from pathlib import Path

STEPS, BATCH, INPUTS, HIDDEN = 5, 3, 4, 6
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
Arrays = dict[str, np.ndarray]
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("RNN", {}),
    ("LSTM", {}),
    ("GRU", {}),
    ("GRU", {"reset_after": False}),
    ("RNN", {"bias": False}),
    ("LSTM", {"recurrent_bias": False}),
]
keras_layers = pytest.mark.parametrize(("layer", "options"), KINDS, ids=str)


def samples(layer: str, options: dict[str, Any], inputs: int = INPUTS) -> Arrays:
    """The arrays of one layer of Keras in one direction."""
    width = GATES[layer] * HIDDEN
    random = np.random.default_rng(inputs)
    shapes: dict[str, tuple[int, ...]] = {"kernel": (inputs, width), "recurrent_kernel": (HIDDEN, width)}
    if options.get("bias", True):
        shapes["bias"] = (2, width) if layer == "GRU" and options.get("reset_after", True) else (width,)
    return {name: random.normal(scale=0.4, size=shape) for name, shape in shapes.items()}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def step(layer: str, w: Arrays, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Keras's `…Cell.call`."""
    u, b = w["recurrent_kernel"], w.get("bias", np.zeros(w["kernel"].shape[1]))
    if layer == "RNN":
        return np.tanh(x @ w["kernel"] + b + h @ u), c
    if layer == "LSTM":
        i, f, new, o = np.split(x @ w["kernel"] + h @ u + b, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(new)
        return sigmoid(o) * np.tanh(c), c
    if b.ndim == 2:  # reset_after
        (x_z, x_r, x_h), (h_z, h_r, h_h) = (np.split(s, 3, axis=1) for s in (x @ w["kernel"] + b[0], h @ u + b[1]))
        z, new = sigmoid(x_z + h_z), np.tanh(x_h + sigmoid(x_r + h_r) * h_h)
    else:
        x_z, x_r, x_h = np.split(x @ w["kernel"] + b, 3, axis=1)
        u_z, u_r, u_h = np.split(u, 3, axis=1)
        z, new = sigmoid(x_z + h @ u_z), np.tanh(x_h + (sigmoid(x_r + h @ u_r) * h) @ u_h)
    return z * h + (1 - z) * new, c


def keras(layer: str, w: Arrays, x: np.ndarray) -> np.ndarray:
    """The sequence that Keras's layer returns, time first."""
    h = c = np.zeros((x.shape[1], HIDDEN))
    outputs = []
    for x_t in x:
        h, c = step(layer, w, x_t, h, c)
        outputs.append(h)
    return np.stack(outputs)


def bidirectional(layer: str, forward: Arrays, backward: Arrays, x: np.ndarray) -> np.ndarray:
    return np.concatenate([keras(layer, forward, x), keras(layer, backward, x[::-1])[::-1]], -1)


def model(layer: str, **options: Any) -> Any:
    return getattr(nn, layer)(INPUTS, HIDDEN, **options, dtype=torch.float64)


def sequence() -> tuple[torch.Tensor, np.ndarray]:
    x = torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64)
    return x, x.numpy()


def beneath(path: str, arrays: Arrays) -> Arrays:
    return {f"{path}/{name}": value for name, value in arrays.items()}


@keras_layers
def test_arrays_of_keras_compute_what_keras_computes(layer: str, options: dict[str, Any]) -> None:
    x, inputs = sequence()
    arrays = samples(layer, options)
    ours = model(layer, **options)
    assert tt.from_keras(ours, arrays) is ours
    assert_close(ours(x)[0].detach(), torch.from_numpy(keras(layer, arrays, inputs)), "forward")
    assert_close(tt.to_keras(ours), arrays, "exact")
    assert list(tt.to_keras(ours)) == list(arrays)


@keras_layers
def test_both_directions_and_stacks_find_their_arrays(layer: str, options: dict[str, Any]) -> None:
    x, y = sequence()
    arrays: Arrays = {}
    for name, width in (("bi_10", 2 * HIDDEN), ("bi_9", INPUTS), ("bi_11", 2 * HIDDEN)):  # in a file, by letters
        for way in ("backward", "forward"):
            weights = samples(layer, options, width)
            if way == "backward":
                weights = {chunk: np.flip(value) for chunk, value in weights.items()}
            arrays |= beneath(f"{name}/{way}_layer/cell", weights)
    arrays |= {"dense/kernel": np.zeros((3, 4)), "optimizer/momentum": np.zeros(2)}
    ours = model(layer, num_layers=3, bidirectional=True, **options)
    tt.from_keras(ours, arrays)
    for name in ("bi_9", "bi_10", "bi_11"):
        ways = (
            {n.rpartition("/")[2]: a for n, a in arrays.items() if n.startswith(f"{name}/{way}")}
            for way in ("forward", "backward")
        )
        y = bidirectional(layer, *ways, y)
    assert_close(ours(x)[0].detach(), torch.from_numpy(y), "forward")
    again = model(layer, num_layers=3, bidirectional=True, **options)
    assert_close(tt.from_keras(again, tt.to_keras(ours))(x), ours(x), "forward")


@pytest.mark.parametrize("numbered", [True, False], ids=["keras 3", "keras 2"])
@pytest.mark.parametrize("layer", ["RNN", "GRU", "LSTM"])
def test_files_of_keras_are_read(layer: str, numbered: bool, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install throughtime[keras]")
    arrays, other = samples(layer, {}), samples(layer, {}, INPUTS + 1)
    file = tmp_path / ("model.weights.h5" if numbered else "model.h5")
    with h5py.File(file, "w") as opened:
        for name, group in (("one", arrays), ("two", other)):
            for number, (chunk, value) in enumerate(group.items()):
                path = (
                    f"layers/{name}/cell/vars/{number}" if numbered else f"model_weights/{name}/{name}/cell/{chunk}:0"
                )
                opened[path] = value
        opened["layers/dense/vars/0"] = np.zeros((6, 2))
        opened["layers/dense/vars/1"] = np.zeros(2)
        opened["optimizer/vars/0"] = np.int64(3)
    if numbered:
        file = tmp_path / "model.keras"
        with zipfile.ZipFile(file, "w") as archive:
            archive.write(tmp_path / "model.weights.h5", "model.weights.h5")
            archive.writestr("config.json", "{}")
    x, arguments = sequence()
    ours = tt.from_keras(model(layer), file, name="/one/")
    assert_close(ours(x)[0].detach(), torch.from_numpy(keras(layer, arrays, arguments)), "forward")
    with pytest.raises(tt.InputError, match=r"expected the weights of 1 layers and directions .*, found 2: .*one.*two"):
        tt.from_keras(model(layer), file)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    lstm = samples("LSTM", {})
    with pytest.raises(tt.InputError, match=r"expected the weights of 1 layers .* of 3 gates, found 0: none"):
        tt.from_keras(model("GRU"), lstm)
    with pytest.raises(tt.InputError, match=re.escape("/kernel: expected (7, 24), got (4, 24)")):
        tt.from_keras(nn.LSTM(7, HIDDEN), lstm)
    with pytest.raises(tt.InputError, match="there is a bias: expected a layer of ours with bias=True"):
        tt.from_keras(model("LSTM", bias=False), lstm)
    with pytest.raises(tt.InputError, match="there is no bias: expected a layer of ours with bias=False"):
        tt.from_keras(model("LSTM"), samples("LSTM", {"bias": False}))
    with pytest.raises(tt.InputError, match="expected a layer of ours with recurrent_bias=True"):
        tt.from_keras(model("GRU", recurrent_bias=False), samples("GRU", {}))
    with pytest.raises(tt.InputError, match=re.escape("/bias: expected (24,), or two rows of it, got (5,)")):
        tt.from_keras(model("LSTM"), lstm | {"bias": np.zeros(5)})
    with pytest.raises(tt.InputError, match="cell 'peephole_lstm': expected one that Keras has"):
        tt.to_keras(model("LSTM", peephole=True))
    with pytest.raises(tt.InputError, match="proj_size: expected a layer without it"):
        tt.from_keras(model("LSTM", proj_size=3), lstm)
    pytest.importorskip("h5py", reason="needs h5py: pip install throughtime[keras]")
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(b"no such thing")
    with pytest.raises(tt.InputError, match=r"damaged.keras: cannot be read as a .keras or .h5 file"):
        tt.from_keras(model("LSTM"), damaged)
    with pytest.raises(tt.InputError, match=r"nowhere.h5: cannot be read"):
        tt.from_keras(model("LSTM"), str(tmp_path / "nowhere.h5"))
