"""Batches of a generator: a text as parallel streams, pieces of music as padded batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from throughtime._core import rng
from throughtime.data.batches import Batch, bucket_by_length
from throughtime.data.music.piano_roll import KEYS, transpose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor


class ParallelStreams:
    """A text cut into N streams that run side by side, each from a new offset at every pass: one long batch.

    Args:
        numbers: of the text's symbols.
        streams: N, fewer for a short text.
        window: steps of an update, by which streams are long enough.
    """

    def __init__(self, numbers: np.ndarray, streams: int, window: int) -> None:
        self._numbers = torch.from_numpy(numbers)
        self.streams = max(1, min(streams, (len(numbers) - 1) // window))
        self._window = window
        self.updates = -(-(len(numbers) - 1) // self.streams // window)

    def __iter__(self) -> Iterator[Batch]:
        spare = min(self._window, (len(self._numbers) - 1) // 2)
        offset = int(torch.randint(spare, (), generator=rng.generator())) if spare and self.updates > 1 else 0
        x, y = batchify(self._numbers[offset:], self.streams)
        yield Batch(x, y)


class ChunkBatches:
    """A text cut into N streams, in batches of some steps that carry the state on: for looking, not for learning."""

    def __init__(self, numbers: np.ndarray, streams: int = 32, steps: int = 128) -> None:
        self._xy = batchify(torch.from_numpy(numbers), max(1, min(streams, (len(numbers) - 1) // steps)))
        self._steps = steps

    def __iter__(self) -> Iterator[Batch]:
        x, y = self._xy
        carry_on = torch.zeros(x.shape[1], dtype=torch.bool)
        for number, (x_part, y_part) in enumerate(zip(x.split(self._steps), y.split(self._steps), strict=True)):
            yield Batch(x_part, y_part, None, carry_on if number else None)


def batchify(numbers: Tensor, streams: int) -> tuple[Tensor, Tensor]:
    """Return inputs and targets (T, N) of N streams that a text is cut into."""
    steps = (len(numbers) - 1) // streams
    x, y = (numbers[i : i + steps * streams].view(streams, steps).T.contiguous() for i in (0, 1))
    return x, y


class PieceBatches:
    """Pieces in batches of similar length, in a new order and perhaps in other keys at every pass.

    The first input is silence, so that the network learns how pieces begin.

    Args:
        rolls: of the pieces.
        batch_size: pieces of a batch.
        transposition: semitones by which a piece is moved at most; 0 to leave order and keys as they are.
    """

    def __init__(self, rolls: Sequence[np.ndarray], batch_size: int, *, transposition: int = 0, shuffle: bool) -> None:
        self._rolls = rolls
        self._batch_size = batch_size
        self._transposition = transposition
        self._shuffle = shuffle
        self._lengths = torch.tensor([len(roll) for roll in rolls])

    def updates(self, window: int) -> int:
        """Return the approximate number of updates of a pass."""
        return sum(-(-int(self._lengths[rows].max()) // window) for rows in self._order())

    def __iter__(self) -> Iterator[Batch]:
        for rows in self._order():
            yield collate_pieces([self._transpose_randomly(self._rolls[row]) for row in rows.tolist()])

    def _order(self) -> list[Tensor]:
        return bucket_by_length(self._lengths, self._batch_size, shuffle=self._shuffle)

    def _transpose_randomly(self, roll: np.ndarray) -> np.ndarray:
        most = self._transposition
        return transpose(roll, int(torch.randint(-most, most + 1, (), generator=rng.generator()))) if most else roll


def collate_pieces(rolls: Sequence[np.ndarray]) -> Batch:
    """Return a batch of pieces: at each step the one before as input, this one as target."""
    lengths = torch.tensor([len(roll) for roll in rolls])
    y = np.zeros((int(lengths.max()), len(rolls), KEYS), dtype=np.float32)
    for row, roll in enumerate(rolls):
        y[: len(roll), row] = roll
    target = torch.from_numpy(y)
    x = torch.cat([torch.zeros_like(target[:1]), target[:-1]])
    return Batch(x, target, lengths)
