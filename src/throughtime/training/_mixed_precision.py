"""Mixed precision: products in a smaller type; weights, states and losses keep their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

# Without float16, whose range needs scaled losses and skipped updates.
_DTYPES = {"bfloat16": torch.bfloat16}


class MixedPrecisionModel(nn.Module):
    """A model under `torch.autocast`, whose outputs and states have the type of its weights.

    Source: Micikevicius et al. 2018, Mixed Precision Training.

    Args:
        model: to call.
        precision: 'bfloat16'.

    Raises:
        ValueError: for another precision.
    """

    def __init__(self, model: nn.Module, precision: str) -> None:
        super().__init__()
        if precision not in _DTYPES:
            raise ValueError(f"precision: expected None or one of {', '.join(_DTYPES)}, got {precision!r}")
        self.model = model
        if hasattr(model, "batch_first"):
            self.batch_first = model.batch_first
        self._dtype = _DTYPES[precision]

    def forward(self, x: Tensor, *state: Any, **options: Any) -> Any:
        """Call the model."""
        weight = next(self.model.parameters())
        with torch.autocast(weight.device.type, self._dtype):
            result = self.model(x, *state, **options)
        return _cast(result, weight.dtype)


def unwrap(model: nn.Module) -> nn.Module:
    """Return the model inside a `MixedPrecisionModel`, or the model itself."""
    return model.model if isinstance(model, MixedPrecisionModel) else model


def _cast(value: Any, dtype: torch.dtype) -> Any:
    """Convert a tensor, or nested tuples of tensors, to another type."""
    if isinstance(value, tuple):
        return tuple(_cast(item, dtype) for item in value)
    return None if value is None else value.to(dtype)
