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

    def to_json(item: Any) -> Any:
        if isinstance(item, torch.Tensor):
            name = str(len(tensors))
            tensors[name] = item.detach().cpu().clone()
            return {"tensor": name}
        if isinstance(item, dict):
            return {"dict": [[to_json(key), to_json(inner)] for key, inner in item.items()]}
        if isinstance(item, list | tuple):
            return {type(item).__name__: [to_json(inner) for inner in item]}
        if item is None or isinstance(item, bool | int | float | str):
            return item
        raise TypeError(f"expected tensors, numbers, text, dicts, lists and tuples, got {type(item).__name__}")

    return to_json(value), tensors


def unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Undo `pack`.

    Raises:
        ValueError: for what `pack` has not written: unknown kinds, tensors that are missing, left over or used twice.
    """
    left = dict(tensors)
    try:
        unpacked = _unpack(value, left)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"expected values and the tensors that they refer to: {error}") from error
    if left:
        raise ValueError(f"nothing refers to {len(left)} of the tensors")
    return unpacked


def _unpack(value: Any, left: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        if isinstance(value, list):
            raise TypeError("expected a value, got several")
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return left.pop(content)
    if kind == "dict":
        pairs = [(_unpack(key, left), _unpack(item, left)) for key, item in content]
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key occurs twice")
        return dict(pairs)
    if kind not in ("list", "tuple") or not isinstance(content, list):
        raise ValueError(f"expected a tensor, dict, list or tuple, got {str(kind)[:40]!r}")
    items = [_unpack(item, left) for item in content]
    return tuple(items) if kind == "tuple" else items
