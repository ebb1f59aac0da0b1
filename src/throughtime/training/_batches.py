"""What `fit` is given to learn from, as batches: tensors or arrays, batches in a list, readers of the user's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from throughtime.data.batches import Batch, Batches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor

    Data = tuple[Tensor, ...] | Iterable[Batch]


def as_batches(data: Data) -> Iterable[Batch]:
    """Data as batches that can be walked again and again.

    Raises:
        ValueError: for what are none.
    """
    if isinstance(data, Batch) or (isinstance(data, tuple) and not any(isinstance(part, Batch) for part in data)):
        return [_as_batch(data)]
    if isinstance(data, list | tuple):
        return [_as_batch(each) for each in data]
    if not hasattr(data, "__iter__"):
        raise ValueError(f"data: expected (x, y), (x, y, lengths) or batches, got {type(data).__name__}")
    if iter(data) is data:
        raise ValueError("data: expected something that can be walked again in the next epoch, got an iterator")
    return data if isinstance(data, Batches | _ConvertedBatches) else _ConvertedBatches(data)


class _ConvertedBatches:
    """Batches of a reader of the user's."""

    def __init__(self, data: Iterable[Any]) -> None:
        self._data = data

    def __iter__(self) -> Iterator[Batch]:
        return map(_as_batch, self._data)


def _as_batch(value: Any) -> Batch:
    """What a reader gives as a `Batch` of tensors."""
    if isinstance(value, Batch) and all(part is None or isinstance(part, torch.Tensor) for part in value):
        return value
    if not isinstance(value, tuple | list) or not 2 <= len(value) <= len(Batch._fields):
        what = f"{len(value)} parts" if isinstance(value, tuple | list) else type(value).__name__
        raise ValueError(f"data: expected batches (x, y), (x, y, lengths) or Batch(…), got {what}")
    x, y, *more = value
    return Batch(torch.as_tensor(x), torch.as_tensor(y), *(m if m is None else torch.as_tensor(m) for m in more))
