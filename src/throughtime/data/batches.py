"""Mini-batches of sequences for the training loop."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from throughtime._core import rng

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jaxtyping import Bool, Int
    from torch import Tensor


_NOISE = 0.5  # range of the noise, as a fraction of the mean length
_MAX_GATHERED_ELEMENTS = 1 << 16  # of several batches that are indexed at once


class Batch(NamedTuple):
    """A mini-batch of sequences.

    Attributes:
        x: inputs (T, N, I), or (N, T, I) for a model with `batch_first`.
        y: targets, one for each step, (T, N, …), or one for each sequence, (N, …).
        lengths: valid steps of each sequence; None if all have T steps.
        reset: rows whose state starts at zero; the others continue from the final state of the previous batch. None
            if all start at zero.
    """

    x: Tensor
    y: Tensor
    lengths: Int[Tensor, "N"] | None = None
    reset: Bool[Tensor, "N"] | None = None


class Batches:
    """Mini-batches of a set of sequences, in a new random order in each epoch.

    Args:
        x: inputs, one sequence per row: (N, T, I), or (T, N, I) with `time_first`.
        y: targets of the rows.
        lengths: valid steps of each row.
        batch_size: rows of a batch; the last batch of an epoch may have fewer.
        shuffle: whether the order is random.
        time_first: whether rows are the second dimension rather than the first.
    """

    def __init__(
        self,
        x: Tensor,
        y: Tensor,
        lengths: Tensor | None = None,
        *,
        batch_size: int = 32,
        shuffle: bool = True,
        time_first: bool = False,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        self._tensors = Batch(x, y, lengths)
        self._batch_size = batch_size
        self._shuffle = shuffle
        self.batch_first = not time_first
        self._x_row_dim = 1 if time_first else 0
        # Targets of steps have the same row dimension as the input; targets of sequences have rows first.
        rows = x.shape[self._x_row_dim]
        per_step = time_first and y.dim() > 1 and y.shape[:2] == x.shape[:2]
        self._y_row_dim = 1 if per_step else 0
        if y.shape[self._y_row_dim] != rows or (lengths is not None and len(lengths) != rows):
            raise ValueError(f"y and lengths: expected {rows} rows as in x, got shapes {tuple(y.shape)}, {lengths}")

    def __len__(self) -> int:
        return math.ceil(self._tensors.x.shape[self._x_row_dim] / self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        x, y, lengths, _ = self._tensors
        rows, size = x.shape[self._x_row_dim], self._batch_size
        order = torch.randperm(rows, generator=rng.generator()) if self._shuffle else torch.arange(rows)
        # Indexing the rows of a batch takes longer than training a small network on them: index several at once.
        batches_at_once = max(1, _MAX_GATHERED_ELEMENTS * rows // max(1, size * (x.numel() + y.numel())))
        for selected in order.split(size * batches_at_once):
            xs = x.index_select(self._x_row_dim, selected).split(size, self._x_row_dim)
            ys = y.index_select(self._y_row_dim, selected).split(size, self._y_row_dim)
            batch_lengths = [None] * len(xs) if lengths is None else lengths[selected].split(size)
            yield from map(Batch, xs, ys, batch_lengths)


def bucket_by_length(lengths: Int[Tensor, "N"], batch_size: int, *, shuffle: bool) -> list[Tensor]:
    """Return the rows of batches of similar length; with `shuffle`, lengths get noise and batches a random order."""
    noise = torch.rand(len(lengths), generator=rng.generator()) * lengths.float().mean() * _NOISE if shuffle else 0
    batches = (lengths + noise).argsort(descending=True).split(batch_size)
    order = torch.randperm(len(batches), generator=rng.generator()) if shuffle else torch.arange(len(batches))
    return [batches[i] for i in order.tolist()]
