"""Jagged sequences: sequences of different lengths in one tensor, and batches of sequences of similar length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from throughtime._core import rng
from throughtime.data.batches import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jaxtyping import Bool, Int, Shaped
    from torch import Tensor

_POOL_BATCHES = 50  # whose sequences are sorted by length together


@dataclass(frozen=True)
class JaggedSequences:
    """Sequences of different lengths, concatenated.

    Attributes:
        values: steps of all sequences.
        lengths: number of steps of each sequence.
    """

    values: Shaped[Tensor, "steps ..."]
    lengths: Int[Tensor, "N"]

    @classmethod
    def of(cls, sequences: Sequence[Tensor]) -> JaggedSequences:
        """Concatenate sequences (T_i, …)."""
        return cls(torch.cat(list(sequences)), torch.tensor([len(s) for s in sequences]))

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def starts(self) -> Int[Tensor, "N"]:
        """First step of each sequence in `values`."""
        return self.lengths.cumsum(0) - self.lengths

    def __getitem__(self, row: int) -> Shaped[Tensor, "T ..."]:
        """Return one sequence."""
        start = int(self.starts[row])
        return self.values[start : start + int(self.lengths[row])]

    def select(self, selected: Int[Tensor, "n"]) -> JaggedSequences:
        """Return some of the sequences, in the given order."""
        indices, is_valid = self._step_indices(selected)
        return JaggedSequences(self.values[indices[is_valid]], self.lengths[selected])

    def padded(self, selected: Int[Tensor, "n"]) -> Shaped[Tensor, "n T ..."]:
        """Return some of the sequences as (n, T, …), zero after their ends."""
        indices, is_valid = self._step_indices(selected)
        values = self.values[indices]
        return values * is_valid.reshape(*is_valid.shape, *[1] * (values.dim() - 2)).to(values.dtype)

    def _step_indices(self, selected: Int[Tensor, "n"]) -> tuple[Int[Tensor, "n T"], Bool[Tensor, "n T"]]:
        """Return the index in `values` of each step of the selected sequences, and whether the step exists."""
        lengths = self.lengths[selected]
        steps = torch.arange(int(lengths.max()) if len(lengths) else 0)
        is_valid = steps < lengths.unsqueeze(1)
        return torch.where(is_valid, self.starts[selected].unsqueeze(1) + steps, 0), is_valid


class BucketBatches:
    """Mini-batches of sequences of similar length, which need little padding, in a new random order in each epoch.

    Args:
        x: inputs.
        y: targets, one for each sequence as a tensor, or one for each step.
        batch_size: sequences of a batch; the last batch of an epoch may have fewer.
        shuffle: whether the order is random; else sequences are sorted by length.
    """

    def __init__(
        self, x: JaggedSequences, y: Tensor | JaggedSequences, *, batch_size: int = 32, shuffle: bool = True
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
            yield Batch(self._x.padded(selected), y, self._x.lengths[selected])

    def order(self) -> list[Tensor]:
        """Return the sequences of each batch of an epoch."""
        lengths = self._x.lengths
        if not self._shuffle:
            return list(lengths.argsort(stable=True).split(self._batch_size))
        batches: list[Tensor] = []
        random = rng.generator()
        for pool in torch.randperm(len(lengths), generator=random).split(_POOL_BATCHES * self._batch_size):
            batches += pool[lengths[pool].argsort(stable=True)].split(self._batch_size)
        return [batches[i] for i in torch.randperm(len(batches), generator=random).tolist()]
