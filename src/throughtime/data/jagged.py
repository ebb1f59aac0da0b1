"""Jagged sequences: sequences of different lengths in one array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jaxtyping import Bool, Int, Shaped


@dataclass(frozen=True)
class JaggedSequences:
    """Sequences of different lengths, concatenated.

    Attributes:
        values: steps of all sequences.
        lengths: number of steps of each sequence.
    """

    values: Shaped[np.ndarray, "steps ..."]
    lengths: Int[np.ndarray, "N"]

    @classmethod
    def of(cls, sequences: Sequence[np.ndarray]) -> JaggedSequences:
        """Concatenate sequences (T_i, …)."""
        return cls(np.concatenate(sequences), np.array([len(s) for s in sequences], dtype=np.int64))

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def starts(self) -> Int[np.ndarray, "N"]:
        """First step of each sequence in `values`."""
        return self.lengths.cumsum() - self.lengths

    def __getitem__(self, row: int) -> Shaped[np.ndarray, "T ..."]:
        """Return one sequence."""
        start = self.starts[row]
        return self.values[start : start + self.lengths[row]]

    def select(self, selected: Int[np.ndarray, "n"]) -> JaggedSequences:
        """Return some of the sequences, in the given order."""
        indices, is_valid = self._step_indices(selected)
        return JaggedSequences(self.values[indices[is_valid]], self.lengths[selected])

    def padded(self, selected: Int[np.ndarray, "n"]) -> Shaped[np.ndarray, "n T ..."]:
        """Return some of the sequences as (n, T, …), zero after their ends."""
        indices, is_valid = self._step_indices(selected)
        values = self.values[indices]
        values[~is_valid] = 0
        return values

    def batches_by_length(self, batch_size: int) -> Iterator[Int[np.ndarray, "n"]]:
        """Yield the sequences of batches, the shortest sequences first."""
        order = self.lengths.argsort(kind="stable")
        for start in range(0, len(order), batch_size):
            yield order[start : start + batch_size]

    def _step_indices(self, selected: Int[np.ndarray, "n"]) -> tuple[Int[np.ndarray, "n T"], Bool[np.ndarray, "n T"]]:
        """Return the index in `values` of each step of the selected sequences, and whether the step exists."""
        lengths = self.lengths[selected]
        steps = np.arange(lengths.max() if len(lengths) else 0)
        is_valid = steps < lengths[:, None]
        return np.where(is_valid, self.starts[selected][:, None] + steps, 0), is_valid
