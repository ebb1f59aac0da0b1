"""Probabilities from scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float


def softmax(scores: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return exp(scores), divided by the sum over the last axis, in float64."""
    shares = np.exp(scores.astype(np.float64) - scores.max(-1, keepdims=True, initial=-np.inf))
    return shares / shares.sum(-1, keepdims=True)


def sigmoid(scores: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Return 1 / (1 + exp(-scores)), in float64."""
    with np.errstate(over="ignore"):  # the result is 0 then
        return 1 / (1 + np.exp(-scores.astype(np.float64)))
