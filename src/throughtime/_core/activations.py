"""Activations by name."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Activation = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str, Activation] = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid}
ONNX_ACTIVATIONS = {"tanh": "Tanh", "relu": "Relu", "sigmoid": "Sigmoid"}
"""Names of the activations as operators of ONNX, and as attributes of its recurrent operators."""


def get_activation(activation: str | Activation) -> Activation:
    """Return the function of a name."""
    return ACTIVATIONS[activation] if isinstance(activation, str) else activation


def activation_name(activation: str | Activation) -> str:
    """Return the name of an activation for a message."""
    return repr(activation if isinstance(activation, str) else getattr(activation, "__name__", activation))
