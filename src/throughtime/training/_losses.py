"""Losses: by name, or any function of outputs and targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped

Loss = Callable[[Tensor, Tensor], Tensor]
"""Function of outputs and targets that returns a number."""

IGNORE_INDEX = -100
"""The class number of targets that do not count, as in torch."""


def _mse(y: Float[Tensor, "*outputs"], target: Float[Tensor, "*targets"]) -> Float[Tensor, ""]:
    return functional.mse_loss(y, _check_same_shape(y, target))


def _mae(y: Float[Tensor, "*outputs"], target: Float[Tensor, "*targets"]) -> Float[Tensor, ""]:
    return functional.l1_loss(y, _check_same_shape(y, target))


def _cross_entropy(y: Float[Tensor, "*outputs V"], target: Shaped[Tensor, "*targets"]) -> Float[Tensor, ""]:
    if y.shape[:-1] != target.shape or target.is_floating_point():
        raise ValueError(
            f"cross_entropy: expected class numbers of shape {tuple(y.shape[:-1])} for outputs {tuple(y.shape)}, got "
            f"{target.dtype} of shape {tuple(target.shape)}"
        )
    return functional.cross_entropy(y.reshape(-1, y.shape[-1]), target.reshape(-1), ignore_index=IGNORE_INDEX)


def _binary_cross_entropy(y: Float[Tensor, "*outputs"], target: Float[Tensor, "*targets"]) -> Float[Tensor, ""]:
    return functional.binary_cross_entropy_with_logits(y, _check_same_shape(y, target))


def _check_same_shape(y: Tensor, target: Tensor) -> Tensor:
    if y.shape != target.shape:  # (4, 1) and (4,) would be broadcast to (4, 4) silently
        raise ValueError(f"targets: expected the shape {tuple(y.shape)} of the outputs, got {tuple(target.shape)}")
    return target


LOSSES: dict[str, Loss] = {
    "mse": _mse,
    "mae": _mae,
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
}


def get_loss(loss: str | Loss) -> Loss:
    """Return the function of a named loss, or the function itself.

    Raises:
        ValueError: for an unknown name.
    """
    if not isinstance(loss, str):
        return loss
    if loss not in LOSSES:
        raise ValueError(f"loss: expected one of {', '.join(LOSSES)} or a function of (y, target), got {loss!r}")
    return LOSSES[loss]


def is_mean(loss: Loss) -> bool:
    """Return whether a loss is known to be a mean over targets of equal weight, so that it can be summed in parts."""
    return any(loss is named_loss for named_loss in LOSSES.values())
