"""Sequences longer than memory, read as they are trained on: so many steps of so many sequences at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from throughtime.data.batches import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor


class StatefulBatches:
    """Batches of consecutive steps: each row goes through a sequence, and then through the next that is left.

    A batch tells which rows begin a sequence (`reset`) and how many steps each has (`lengths`), so that the training
    carries the other states on, detached, and no step is lost or seen twice. Only the steps of a batch are read.

    Args:
        sequences: pairs (x, y) of inputs (T, I) and targets (T, …): tensors, arrays, memory maps of files, or whatever
            has a length and gives an array for a slice. An iterable that can be walked again is read anew at each pass.
        rows: sequences side by side.
        steps: of a batch.
        batch_first: whether batches are (N, T, I), for a model with `batch_first`.

    >>> import torch
    >>> from throughtime.training import StatefulBatches
    >>> long, short = (torch.zeros(7, 1), torch.zeros(7, 1)), (torch.ones(2, 1), torch.ones(2, 1))
    >>> for batch in StatefulBatches([long, short, short], rows=2, steps=4):
    ...     print(tuple(batch.x.shape), batch.lengths.tolist(), batch.reset.tolist())
    (4, 2, 1) [4, 2] [True, True]
    (3, 2, 1) [3, 2] [False, True]
    """

    def __init__(
        self, sequences: Iterable[tuple[Any, Any]], *, rows: int = 1, steps: int = 100, batch_first: bool = False
    ) -> None:
        for name, value in (("rows", rows), ("steps", steps)):
            if value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        if iter(sequences) is sequences:
            raise ValueError(
                "sequences: expected something that can be walked again at each epoch, such as a list, got an iterator"
            )
        self.sequences = sequences
        self.rows = rows
        self.steps = steps
        self.batch_first = batch_first

    def __iter__(self) -> Iterator[Batch]:
        left = iter(self.sequences)
        places: list[_Place | None] = [None] * self.rows
        while True:
            places = [_next(left) if place is None or place.done else place for place in places]
            if not any(places):
                return
            yield self._batch(places)

    def _batch(self, places: list[_Place | None]) -> Batch:
        reset = torch.tensor([place is None or place.at == 0 for place in places])
        parts = [None if place is None else place.read(self.steps) for place in places]
        some_x, some_y = next(part for part in parts if part is not None)
        lengths = torch.tensor([0 if part is None else len(part[0]) for part in parts])
        steps = int(lengths.max())
        x = some_x.new_zeros(steps, self.rows, *some_x.shape[1:])
        y = some_y.new_zeros(steps, self.rows, *some_y.shape[1:])
        for row, part in enumerate(parts):
            if part is not None:
                x[: len(part[0]), row], y[: len(part[1]), row] = part
        if self.batch_first:
            x, y = x.transpose(0, 1), y.transpose(0, 1)
        return Batch(x, y, lengths, reset)


@dataclass
class _Place:
    """Where a row stands in its sequence."""

    x: Any
    y: Any
    at: int = 0

    @property
    def done(self) -> bool:
        return self.at >= len(self.x)

    def read(self, steps: int) -> tuple[Tensor, Tensor]:
        chosen = slice(self.at, self.at + steps)
        self.at += steps
        return _tensor(self.x[chosen]), _tensor(self.y[chosen])


def _next(left: Iterator[tuple[Any, Any]]) -> _Place | None:
    """The beginning of the next sequence that has a step; None where no sequence is left."""
    for x, y in left:
        if len(x) != len(y):
            raise ValueError(f"sequences: expected as many targets as steps, got {len(y)} for {len(x)}")
        if len(x):
            return _Place(x, y)
    return None


def _tensor(values: Any) -> Tensor:
    """A copy: what is mapped from a file may not be written to."""
    return values if isinstance(values, torch.Tensor) else torch.tensor(values)
