"""Stopping criteria, as values. A training ends at the first that is met."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from throughtime.training._history import History, Progress


class StoppingCriterion(Protocol):
    """A criterion, checked at the end of an epoch.

    Attributes:
        check_every_update: whether it is checked after every update as well.
    """

    check_every_update: ClassVar[bool]

    def should_stop(self, progress: Progress, history: History) -> bool:
        """Return whether to stop."""
        ...

    def fraction_done(self, progress: Progress) -> float | None:
        """Return the fraction of the training that is done, 0 … 1; None if it cannot be predicted."""
        ...

    def max_updates(self, progress: Progress) -> float:
        """Return how many updates may follow before the next check, if it is checked after every update."""
        ...


def _fraction(completed: float, planned: float) -> float:
    return completed / planned if planned > 0 else 1.0


class _CheckedPerEpoch:
    check_every_update: ClassVar[bool] = False

    def fraction_done(self, progress: Progress) -> float | None:
        """Return None: the end cannot be predicted."""
        return None

    def max_updates(self, progress: Progress) -> float:
        """Return infinity: it is checked at the end of an epoch."""
        return math.inf


@dataclass(frozen=True)
class Epochs:
    """Stop after a number of passes over the data."""

    epochs: int
    check_every_update: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise ValueError(f"Epochs: expected 0 or more, got {self.epochs}")

    def should_stop(self, progress: Progress, history: History) -> bool:
        """Return whether to stop."""
        return len(history) >= self.epochs

    def fraction_done(self, progress: Progress) -> float | None:
        """Return the fraction of the epochs."""
        return _fraction(progress.epoch - 1, self.epochs)

    def max_updates(self, progress: Progress) -> float:
        """Return infinity: it is checked at the end of an epoch."""
        return math.inf


@dataclass(frozen=True)
class Updates:
    """Stop after a number of updates."""

    updates: int
    check_every_update: ClassVar[bool] = True

    def should_stop(self, progress: Progress, history: History) -> bool:
        """Return whether to stop."""
        return progress.updates >= self.updates

    def fraction_done(self, progress: Progress) -> float | None:
        """Return the fraction of the updates."""
        return _fraction(progress.updates, self.updates)

    def max_updates(self, progress: Progress) -> float:
        """Return the updates that are left."""
        return self.updates - progress.updates


@dataclass(frozen=True)
class Seconds:
    """Stop after a time."""

    seconds: float
    check_every_update: ClassVar[bool] = True

    def should_stop(self, progress: Progress, history: History) -> bool:
        """Return whether to stop."""
        return progress.seconds >= self.seconds

    def fraction_done(self, progress: Progress) -> float | None:
        """Return the fraction of the time."""
        return _fraction(progress.seconds, self.seconds)

    def max_updates(self, progress: Progress) -> float:
        """Return infinity: the updates of one call take milliseconds."""
        return math.inf


@dataclass(frozen=True)
class Patience(_CheckedPerEpoch):
    """Stop when the validation loss has not fallen by more than `min_delta` for a number of epochs."""

    epochs: int
    min_delta: float = 0.0

    def should_stop(self, progress: Progress, history: History) -> bool:
        """Return whether to stop."""
        best, epochs = float("inf"), 0
        for record in history.records:
            best, epochs = (record.score, 0) if record.score < best - self.min_delta else (best, epochs + 1)
        return epochs >= self.epochs


@dataclass(frozen=True)
class TargetLoss(_CheckedPerEpoch):
    """Stop when the validation loss (without validation data, the training loss) is this low."""

    loss: float

    def should_stop(self, progress: Progress, history: History) -> bool:
        """Return whether to stop."""
        return bool(history.records) and history.records[-1].score <= self.loss


@dataclass(frozen=True)
class GradientNorm(_CheckedPerEpoch):
    """Stop when the mean gradient norm of an epoch is this low: at a minimum or on a plateau."""

    below: float

    def should_stop(self, progress: Progress, history: History) -> bool:
        """Return whether to stop."""
        return bool(history.records) and history.records[-1].gradient_norm < self.below
