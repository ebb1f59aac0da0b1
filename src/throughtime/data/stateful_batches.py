"""Stateful batches: consecutive steps of sequences that may exceed the memory, read while they are trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from throughtime.data.batches import Batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import Tensor


class StatefulBatches:
    """Batches of consecutive steps: each row reads a sequence to its end, and then the next remaining sequence.

    A batch marks the rows that begin a sequence (`reset`) and has the number of steps of each row (`lengths`), so that
    the training carries over the other states, detached, and each step is read exactly once. Only the steps of one
    batch are in memory.

    Args:
        sequences: pairs (x, y) of inputs (T, I) and targets (T, …): tensors, arrays, memory maps of files, or other
            objects with a length that return an array for a slice. The iterable is read again in each epoch.
        rows: number of sequences that are read in parallel.
        steps: steps of a batch.
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
                "sequences: expected an iterable that can be read again in each epoch, such as a list, got an iterator"
            )
        self.sequences = sequences
        self.rows = rows
        self.steps = steps
        self.batch_first = batch_first

    def __iter__(self) -> Iterator[Batch]:
        remaining = iter(self.sequences)
        cursors: list[_Cursor | None] = [None] * self.rows
        while True:
            cursors = [_next_cursor(remaining) if cursor is None or cursor.done else cursor for cursor in cursors]
            if not any(cursors):
                return
            yield self._batch(cursors)

    def _batch(self, cursors: list[_Cursor | None]) -> Batch:
        reset = torch.tensor([cursor is None or cursor.position == 0 for cursor in cursors])
        chunks = [None if cursor is None else cursor.read(self.steps) for cursor in cursors]
        example_x, example_y = next(chunk for chunk in chunks if chunk is not None)
        lengths = torch.tensor([0 if chunk is None else len(chunk[0]) for chunk in chunks])
        steps = int(lengths.max())
        x = example_x.new_zeros(steps, self.rows, *example_x.shape[1:])
        y = example_y.new_zeros(steps, self.rows, *example_y.shape[1:])
        for row, chunk in enumerate(chunks):
            if chunk is not None:
                x[: len(chunk[0]), row], y[: len(chunk[1]), row] = chunk
        if self.batch_first:
            x, y = x.transpose(0, 1), y.transpose(0, 1)
        return Batch(x, y, lengths, reset)


@dataclass
class _Cursor:
    """The position of a row in its sequence."""

    x: Any
    y: Any
    position: int = 0

    @property
    def done(self) -> bool:
        return self.position >= len(self.x)

    def read(self, steps: int) -> tuple[Tensor, Tensor]:
        chunk = slice(self.position, self.position + steps)
        self.position += steps
        return _copy_to_tensor(self.x[chunk]), _copy_to_tensor(self.y[chunk])


def _next_cursor(remaining: Iterator[tuple[Any, Any]]) -> _Cursor | None:
    """Return a cursor to the next sequence that is not empty; None if there is none."""
    for x, y in remaining:
        if len(x) != len(y):
            raise ValueError(f"sequences: expected as many targets as steps, got {len(y)} for {len(x)}")
        if len(x):
            return _Cursor(x, y)
    return None


def _copy_to_tensor(values: Any) -> Tensor:
    """Copy arrays, since memory maps of files may be read-only."""
    return values if isinstance(values, torch.Tensor) else torch.tensor(values)
