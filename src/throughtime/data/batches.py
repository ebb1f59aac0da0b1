"""Batches of sequences, as the training loop reads them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch

from throughtime._core import rng

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jaxtyping import Bool, Int
    from torch import Tensor


_NOISE = 0.5  # of the mean length
_PICKED = 1 << 16  # numbers of several batches together, at most


class Batch(NamedTuple):
    """Sequences that are trained on together.

    Attributes:
        x: inputs (T, N, I), or (N, T, I) for a model with `batch_first`.
        y: targets, one for each step, (T, N, …), or one for each sequence, (N, …).
        lengths: valid steps of each sequence; None where all have T.
        reset: the rows whose state starts at zero; the others go on from the state of the batch before. None: all do
            start at zero.
    """

    x: Tensor
    y: Tensor
    lengths: Int[Tensor, "N"] | None = None
    reset: Bool[Tensor, "N"] | None = None


class Batches:
    """Mini-batches of a set of sequences, in a new random order at each pass.

    Args:
        x: inputs, one sequence a row: (N, T, I), or (T, N, I) with `time_first`.
        y: targets, in the same order of rows.
        lengths: valid steps of each row.
        batch_size: rows of a batch; the last one of a pass may have fewer.
        shuffle: whether the order changes.
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
        self._x_rows = 1 if time_first else 0
        # A target for each step has its rows where the input has them; one for each sequence has them in front.
        rows = x.shape[self._x_rows]
        per_step = time_first and y.dim() > 1 and y.shape[:2] == x.shape[:2]
        self._y_rows = 1 if per_step else 0
        if y.shape[self._y_rows] != rows or (lengths is not None and len(lengths) != rows):
            raise ValueError(f"y and lengths: expected {rows} rows as in x, got shapes {tuple(y.shape)}, {lengths}")

    def __len__(self) -> int:
        return math.ceil(self._tensors.x.shape[self._x_rows] / self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        x, y, lengths, _ = self._tensors
        rows, size = x.shape[self._x_rows], self._batch_size
        order = torch.randperm(rows, generator=rng.generator()) if self._shuffle else torch.arange(rows)
        # To pick the rows of a batch takes longer than to train a small network on them: pick those of several at once.
        together = max(1, _PICKED * rows // max(1, size * (x.numel() + y.numel())))
        for chosen in order.split(size * together):
            xs = x.index_select(self._x_rows, chosen).split(size, self._x_rows)
            ys = y.index_select(self._y_rows, chosen).split(size, self._y_rows)
            parts = [None] * len(xs) if lengths is None else lengths[chosen].split(size)
            yield from map(Batch, xs, ys, parts)


def bucket_by_length(lengths: Int[Tensor, "N"], batch_size: int, *, shuffle: bool) -> list[Tensor]:
    """Rows of batches of similar length; with `shuffle` a little noise decides among rows, and chance among batches."""
    noise = torch.rand(len(lengths), generator=rng.generator()) * lengths.float().mean() * _NOISE if shuffle else 0
    batches = (lengths + noise).argsort(descending=True).split(batch_size)
    order = torch.randperm(len(batches), generator=rng.generator()) if shuffle else torch.arange(len(batches))
    return [batches[i] for i in order.tolist()]
