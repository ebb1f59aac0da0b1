"""What storing weights as int8 costs, measured on the network itself."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import torch

from throughtime._core.errors import InputError
from throughtime.io.c_export.one_step import recurrent_layer
from throughtime.io.c_export.packing import quantize

RANDOM_STEPS = 2000
"""Steps of normal random numbers where no data are given."""


class WeightError(NamedTuple):
    """Differences between the outputs of two networks.

    Attributes:
        largest: the greatest one.
        mean_square: the root of the mean of their squares.
        output: the same of the outputs themselves.
        steps: that were compared.
        is_random: whether the inputs were random.
    """

    largest: float
    mean_square: float
    output: float
    steps: int
    is_random: bool

    def __str__(self) -> str:
        """Return them in words."""
        inputs = "random (normal) inputs" if self.is_random else "the given data"
        return (
            f"{self.largest:.1e} at most and {self.mean_square:.1e} (RMS) from float32 weights, for outputs of "
            f"{self.output:.1e} (RMS), over {self.steps} steps of {inputs}"
        )


def quantized(model: torch.nn.Module) -> torch.nn.Module:
    """Return a copy of a network with the weights that the code computes with."""
    copy = deepcopy(model)
    with torch.no_grad():
        for name, parameter in copy.named_parameters():
            if name.rpartition(".")[2].startswith("weight"):
                whole, scale = quantize(parameter.float().cpu().numpy())
                parameter.copy_(torch.from_numpy(whole * scale[:, None]))
    return copy


def measure(model: torch.nn.Module, data: np.ndarray | None = None) -> WeightError:
    """Return the error of int8 weights, computed in float64.

    Args:
        model: with float32 weights.
        data: inputs (T, I); random ones if None.
    """
    x = random_inputs(model, RANDOM_STEPS) if data is None else data
    exact, rounded = (run(deepcopy(m).double(), x.astype(np.float64)) for m in (model, quantized(model)))
    difference = rounded - exact
    mean_square, output = (float(np.sqrt(np.mean(values**2))) for values in (difference, exact))
    return WeightError(float(np.abs(difference).max()), mean_square, output, len(x), data is None)


def random_inputs(model: torch.nn.Module, steps: int) -> np.ndarray:
    """Return normal random inputs (T, I), always the same."""
    size = recurrent_layer(model).input_size
    return np.random.default_rng(0).standard_normal((steps, size), np.float32)


def read_data(data: object, model: torch.nn.Module) -> np.ndarray:
    """Return inputs (T, I) of float32.

    Raises:
        InputError: for another shape, or numbers that are not finite.
    """
    size = recurrent_layer(model).input_size
    array = np.asarray(data, np.float32)
    if array.ndim != 2 or array.shape[1] != size or not len(array) or not np.isfinite(array).all():
        raise InputError(f"data: expected finite numbers of shape (T, {size}), got {array.shape}")
    return array


def run(model: torch.nn.Module, x: np.ndarray) -> np.ndarray:
    """Return the outputs (T, O) of a network that reads inputs (T, I) step by step."""
    layer: Any = recurrent_layer(model)
    network: Any = model
    is_training = model.training
    model.eval()
    inputs = torch.from_numpy(x).to(layer.all_weights[0][0].device).unsqueeze(0 if layer.batch_first else 1)
    with torch.no_grad():
        h = layer(inputs)[0].squeeze(0 if layer.batch_first else 1)
        y = h if network is layer else network.output(h)
    model.train(is_training)
    return y.cpu().numpy()
