"""Nested Python values with tensors inside, as JSON and named tensors, and back: what optimisers call their state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor


def pack(value: Any) -> tuple[Any, dict[str, Tensor]]:
    """Take a value apart into what JSON can hold and the tensors that it refers to.

    Raises:
        TypeError: for anything but tensors, numbers, text, None, and dicts, lists and tuples of those.
    """
    tensors: dict[str, Tensor] = {}

    def plain(part: Any) -> Any:
        if isinstance(part, torch.Tensor):
            name = str(len(tensors))
            tensors[name] = part.detach().cpu().clone()
            return {"tensor": name}
        if isinstance(part, dict):
            return {"dict": [[plain(key), plain(item)] for key, item in part.items()]}
        if isinstance(part, list | tuple):
            return {type(part).__name__: [plain(item) for item in part]}
        if part is None or isinstance(part, bool | int | float | str):
            return part
        raise TypeError(f"expected tensors, numbers, text, dicts, lists and tuples, got {type(part).__name__}")

    return plain(value), tensors


def unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Undo `pack`."""
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {unpack(key, tensors): unpack(item, tensors) for key, item in content}
    items = [unpack(item, tensors) for item in content]
    return tuple(items) if kind == "tuple" else items
