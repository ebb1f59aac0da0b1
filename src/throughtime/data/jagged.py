"""Sequences of different lengths in one piece, and batches of those that are about as long as one another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from throughtime._core import rng
from throughtime.data.batches import Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jaxtyping import Int
    from torch import Tensor

_POOL = 50  # batches whose sequences are sorted by length together


@dataclass(frozen=True)
class JaggedSequences:
    """Sequences one after the other.

    Attributes:
        values: all steps, (sum of lengths, …).
        lengths: steps of each sequence.
    """

    values: Tensor
    lengths: Int[Tensor, "N"]

    @classmethod
    def of(cls, sequences: Sequence[Tensor]) -> JaggedSequences:
        """Join sequences (T_i, …)."""
        return cls(torch.cat(list(sequences)), torch.tensor([len(s) for s in sequences]))

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def starts(self) -> Int[Tensor, "N"]:
        """Where each sequence begins."""
        return self.lengths.cumsum(0) - self.lengths

    def __getitem__(self, row: int) -> Tensor:
        """One sequence."""
        start = int(self.starts[row])
        return self.values[start : start + int(self.lengths[row])]

    def rows(self, chosen: Int[Tensor, "n"]) -> JaggedSequences:
        """Some sequences, in the order in which they are named."""
        places, inside = self._places(chosen)
        return JaggedSequences(self.values[places[inside]], self.lengths[chosen])

    def padded(self, chosen: Int[Tensor, "n"]) -> Tensor:
        """Some sequences as (n, T, …), zero behind their ends."""
        places, inside = self._places(chosen)
        values = self.values[places]
        return values * inside.reshape(*inside.shape, *[1] * (values.dim() - 2)).to(values.dtype)

    def _places(self, chosen: Int[Tensor, "n"]) -> tuple[Tensor, Tensor]:
        """For each step of each chosen sequence its place in `values`, and whether there is such a step."""
        lengths = self.lengths[chosen]
        steps = torch.arange(int(lengths.max()) if len(lengths) else 0)
        inside = steps < lengths.unsqueeze(1)
        return torch.where(inside, self.starts[chosen].unsqueeze(1) + steps, 0), inside


class BucketBatches:
    """Mini-batches of sequences of similar length, so that little is padded; a new random order at each pass.

    Args:
        x: inputs.
        y: targets, one for each sequence as a tensor, or one for each step.
        batch_size: sequences of a batch; the last one of a pass may have fewer.
        shuffle: whether the order changes; without it, sequences come from the shortest to the longest.
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
        for chosen in self.order():
            y = self._y.padded(chosen) if isinstance(self._y, JaggedSequences) else self._y[chosen]
            yield Batch(self._x.padded(chosen), y, self._x.lengths[chosen])

    def order(self) -> list[Tensor]:
        """The sequences of each batch of a pass."""
        lengths = self._x.lengths
        if not self._shuffle:
            return list(lengths.argsort(stable=True).split(self._batch_size))
        batches: list[Tensor] = []
        random = rng.generator()
        for pool in torch.randperm(len(lengths), generator=random).split(_POOL * self._batch_size):
            batches += pool[lengths[pool].argsort(stable=True)].split(self._batch_size)
        return [batches[i] for i in torch.randperm(len(batches), generator=random).tolist()]
