"""Batches of sequences of similar length."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from throughtime._core import rng
from throughtime.data.batches import Batch
from throughtime.data.jagged import JaggedSequences

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import Tensor

_POOL_BATCHES = 50  # whose sequences are sorted by length together


class BucketBatches:
    """Mini-batches of sequences of similar length, which need little padding, in a new random order in each epoch.

    Args:
        x: inputs.
        y: targets, one for each sequence as an array, or one for each step.
        batch_size: sequences of a batch; the last batch of an epoch may have fewer.
        shuffle: whether the order is random; else sequences are sorted by length.
    """

    def __init__(
        self, x: JaggedSequences, y: np.ndarray | JaggedSequences, *, batch_size: int = 32, shuffle: bool = True
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"batch_size: expected at least 1, got {batch_size}")
        if len(x) != len(y):
            raise ValueError(f"y: expected a target for each of the {len(x)} sequences, got {len(y)}")
        self._x, self._y = x, y
        self._batch_size = batch_size
        self._shuffle = shuffle

    def __len__(self) -> int:
        return math.ceil(len(self._x) / self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for selected in self.order():
            y = self._y.padded(selected) if isinstance(self._y, JaggedSequences) else self._y[selected]
            x, lengths = self._x.padded(selected), self._x.lengths[selected]
            yield Batch(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(lengths))

    def order(self) -> list[np.ndarray]:
        """Return the sequences of each batch of an epoch."""
        if not self._shuffle:
            return list(self._x.batches_by_length(self._batch_size))
        lengths = torch.from_numpy(self._x.lengths)
        batches: list[Tensor] = []
        random = rng.generator()
        for pool in torch.randperm(len(lengths), generator=random).split(_POOL_BATCHES * self._batch_size):
            batches += pool[lengths[pool].argsort(stable=True)].split(self._batch_size)
        return [batches[i].numpy() for i in torch.randperm(len(batches), generator=random).tolist()]
