"""Scores of a classifier: accuracy, F1 over classes, and the confusion matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime.tasks.fingerprints import Overlap


@dataclass(frozen=True)
class Evaluation:
    """Scores on sequences whose classes are known.

    Attributes:
        classes: in the order of the rows and columns below.
        confusion: how many sequences of the class of the row were given the class of the column, (C, C).
        precision: of each class: share of those given it that are of it; 0 where it was never given.
        recall: of each class: share of its sequences that were given it; 0 where there are none.
        overlap: which of the sequences given were learned from; None where that was not looked at.
    """

    classes: list[Any]
    confusion: np.ndarray
    precision: np.ndarray
    recall: np.ndarray
    overlap: Overlap | None = None

    @classmethod
    def from_predictions(
        cls,
        actual: Sequence[int] | np.ndarray,
        predicted: Sequence[int] | np.ndarray,
        classes: Sequence[Any],
        overlap: Overlap | None = None,
    ) -> Evaluation:
        """Count, from numbers of classes."""
        count = len(classes)
        confusion = np.zeros((count, count), dtype=np.int64)
        np.add.at(confusion, (np.asarray(actual, dtype=np.int64), np.asarray(predicted, dtype=np.int64)), 1)
        hits = np.diag(confusion)
        return cls(
            list(classes),
            confusion,
            hits / np.maximum(confusion.sum(0), 1),
            hits / np.maximum(confusion.sum(1), 1),
            overlap,
        )

    def qualify(self, noun: str) -> str:
        """Name what is scored: unseen only where it was not learned from."""
        return noun if self.overlap is None else self.overlap.qualify(noun)

    @property
    def count(self) -> int:
        """Sequences."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share that was given the right class."""
        return float(np.trace(self.confusion) / max(self.count, 1))

    @property
    def majority(self) -> float:
        """Accuracy of always naming the most frequent class."""
        return float(self.confusion.sum(1).max() / max(self.count, 1))

    @property
    def f1(self) -> np.ndarray:
        """Of each class: harmonic mean of precision and recall, (C,)."""
        sums = self.precision + self.recall
        return np.where(sums > 0, 2 * self.precision * self.recall / np.maximum(sums, 1e-300), 0.0)

    @property
    def macro_f1(self) -> float:
        """Mean of F1 over the classes that occur, actual or given."""
        occurs = (self.confusion.sum(0) + self.confusion.sum(1)) > 0
        return float(self.f1[occurs].mean()) if occurs.any() else 0.0
