"""The order of steps and rows in inputs and outputs."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from torch.nn import RNNBase

from throughtime.nn._recurrent import AbstractRecurrent
from throughtime.nn.layouts import ManyToOne
from throughtime.training._mixed_precision import unwrap

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import Tensor, nn

_batch_first_override: ContextVar[bool | None] = ContextVar("batch_first", default=None)


def time_dim(model: nn.Module, x: Tensor) -> int:
    """Return the dimension of inputs that is time."""
    return 1 if is_batch_first(model) and len(leading_shape(x)) == 2 else 0


def leading_shape(x: Tensor) -> torch.Size:
    """Return the numbers of steps and rows of inputs, in their order; only the steps of a single sequence (T, I).

    Integer inputs are tokens, which have no dimension of features.
    """
    return x.shape[:2] if x.dim() > 2 or (x.dim() == 2 and not x.is_floating_point()) else x.shape[:1]


def is_per_step(y: Tensor, x: Tensor, model: nn.Module, *, full_x: Tensor | None = None) -> bool:
    """Return whether there is an output for each row and step of the inputs, not others of the same number.

    Outputs of two dimensions are per step if time comes first and the numbers of steps and rows differ: (N, K) are K
    numbers for each row.

    Args:
        y: outputs.
        x: inputs.
        model: that maps x to y.
        full_x: inputs of the whole sequence, if x is a part of it.
    """
    shape = leading_shape(x)
    if y.shape[: len(shape)] != shape or isinstance(unwrap(model), ManyToOne):
        return False
    full_shape = shape if full_x is None else leading_shape(full_x)
    return y.dim() > len(shape) or (len({*full_shape}) == 2 and time_dim(model, x) == 0)


def is_batch_first(model: nn.Module) -> bool:
    """Return whether rows come before steps; False for a model that does not declare it.

    Raises:
        ValueError: if layers differ.
    """
    return bool(_declared_batch_first(model))


def check_batch_first(data: object, model: nn.Module) -> None:
    """Raise if data with an attribute `batch_first`, such as `Batches`, have another order than the model.

    Raises:
        ValueError: if they differ, or the layers of the model do.
    """
    actual: bool | None = getattr(data, "batch_first", None)
    expected = _declared_batch_first(model)
    if actual is not None and expected is not None and actual != expected:
        orders = {True: "rows before steps, (N, T, …)", False: "steps before rows, (T, N, …)"}
        raise ValueError(
            f"data: expected {orders[expected]}, as {type(model).__name__} reads its inputs, got {orders[actual]}; "
            f"change the order of the model or of {type(data).__name__}"
        )


def _declared_batch_first(model: nn.Module) -> bool | None:
    """Return what the caller, the model's attribute or its recurrent layers declare; None without any of them."""
    batch_first = _batch_first_override.get()
    if batch_first is None:
        batch_first = getattr(model, "batch_first", None)
    if batch_first is not None:
        return bool(batch_first)
    layers = {
        name: bool(module.batch_first)
        for name, module in model.named_modules()
        if isinstance(module, AbstractRecurrent | RNNBase)
    }
    if len({*layers.values()}) > 1:
        values = ", ".join(f"{name}: {value}" for name, value in layers.items())
        raise ValueError(
            f"batch_first: expected layers that agree, got {values} in {type(model).__name__}; pass batch_first="
        )
    return any(layers.values()) if layers else None


@contextmanager
def override_batch_first(batch_first: bool | None) -> Iterator[None]:
    """Read inputs in the order that the caller passed; None leaves it to the model."""
    if batch_first is None:
        yield
        return
    token = _batch_first_override.set(batch_first)
    try:
        yield
    finally:
        _batch_first_override.reset(token)
