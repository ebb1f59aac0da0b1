"""Data of `fit` as batches: tensors or arrays, lists of batches, iterables such as a DataLoader."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from throughtime.data.batches import Batch, Batches

if TYPE_CHECKING:
    from collections.abc import Iterator

Data = tuple[Tensor, ...] | Iterable[Batch]
"""Tensors (x, y) or (x, y, lengths), or batches."""


def as_batches(data: Data) -> Iterable[Batch]:
    """Return data as batches that can be iterated again and again.

    Raises:
        ValueError: for data of another kind.
    """
    if isinstance(data, Batch) or (isinstance(data, tuple) and not any(isinstance(item, Batch) for item in data)):
        return [_as_batch(data)]
    if isinstance(data, list | tuple):
        return [_as_batch(item) for item in data]
    if not hasattr(data, "__iter__"):
        raise ValueError(f"data: expected (x, y), (x, y, lengths) or batches, got {type(data).__name__}")
    if iter(data) is data:
        raise ValueError("data: expected an iterable that can be iterated again in the next epoch, got an iterator")
    return data if isinstance(data, Batches | _ConvertedBatches) else _ConvertedBatches(data)


class _ConvertedBatches:
    """Batches of an iterable, each converted as it is read."""

    def __init__(self, data: Iterable[Any]) -> None:
        self._data = data

    def __iter__(self) -> Iterator[Batch]:
        return map(_as_batch, self._data)


def _as_batch(value: Any) -> Batch:
    if isinstance(value, Batch) and all(field is None or isinstance(field, torch.Tensor) for field in value):
        return value
    if not isinstance(value, tuple | list) or not 2 <= len(value) <= len(Batch._fields):
        kind = f"{len(value)} values" if isinstance(value, tuple | list) else type(value).__name__
        raise ValueError(f"data: expected batches (x, y), (x, y, lengths) or Batch(…), got {kind}")
    x, y, *others = value
    return Batch(torch.as_tensor(x), torch.as_tensor(y), *(v if v is None else torch.as_tensor(v) for v in others))
