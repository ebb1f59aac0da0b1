"""When to stop: criteria as values. A training ends with the first that is reached."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from throughtime.training._history import History, Progress


class StoppingCriterion(Protocol):
    """A criterion; checked at the end of an epoch, with `check_every_update` after every update as well."""

    check_every_update: ClassVar[bool]

    def should_stop(self, progress: Progress, history: History) -> bool:
        """Whether to stop."""
        ...

    def fraction_done(self, progress: Progress) -> float | None:
        """The share of the work that is done, 0 … 1, or None where it cannot be known."""
        ...

    def max_updates(self, progress: Progress) -> float:
        """How many updates may be made before it has to be asked again, where it is asked after every update."""
        ...


def _fraction(completed: float, planned: float) -> float:
    return completed / planned if planned > 0 else 1.0


class _CheckedPerEpoch:
    check_every_update: ClassVar[bool] = False

    def fraction_done(self, progress: Progress) -> float | None:
        """Nobody knows."""
        return None

    def max_updates(self, progress: Progress) -> float:
        """It is asked at the end of an epoch."""
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
        """Whether to stop."""
        return len(history) >= self.epochs

    def fraction_done(self, progress: Progress) -> float | None:
        """Whole epochs done."""
        return _fraction(progress.epoch - 1, self.epochs)

    def max_updates(self, progress: Progress) -> float:
        """It is asked at the end of an epoch."""
        return math.inf


@dataclass(frozen=True)
class Updates:
    """Stop after a number of updates."""

    updates: int
    check_every_update: ClassVar[bool] = True

    def should_stop(self, progress: Progress, history: History) -> bool:
        """Whether to stop."""
        return progress.updates >= self.updates

    def fraction_done(self, progress: Progress) -> float | None:
        """Updates done."""
        return _fraction(progress.updates, self.updates)

    def max_updates(self, progress: Progress) -> float:
        """Updates left."""
        return self.updates - progress.updates


@dataclass(frozen=True)
class Seconds:
    """Stop when the time is used up."""

    seconds: float
    check_every_update: ClassVar[bool] = True

    def should_stop(self, progress: Progress, history: History) -> bool:
        """Whether to stop."""
        return progress.seconds >= self.seconds

    def fraction_done(self, progress: Progress) -> float | None:
        """Time used."""
        return _fraction(progress.seconds, self.seconds)

    def max_updates(self, progress: Progress) -> float:
        """Any number of them: what is made in one go takes milliseconds."""
        return math.inf


@dataclass(frozen=True)
class Patience(_CheckedPerEpoch):
    """Stop when the validation loss has not fallen by more than `min_delta` for a number of epochs."""

    epochs: int
    min_delta: float = 0.0

    def should_stop(self, progress: Progress, history: History) -> bool:
        """Whether to stop."""
        best, since = float("inf"), 0
        for record in history.records:
            best, since = (record.score, 0) if record.score < best - self.min_delta else (best, since + 1)
        return since >= self.epochs


@dataclass(frozen=True)
class TargetLoss(_CheckedPerEpoch):
    """Stop when the loss (the validation loss where there is one) is this low."""

    loss: float

    def should_stop(self, progress: Progress, history: History) -> bool:
        """Whether to stop."""
        return bool(history.records) and history.records[-1].score <= self.loss


@dataclass(frozen=True)
class GradientNorm(_CheckedPerEpoch):
    """Stop when the mean gradient norm of an epoch is this low: a minimum, or a plateau."""

    below: float

    def should_stop(self, progress: Progress, history: History) -> bool:
        """Whether to stop."""
        return bool(history.records) and history.records[-1].gradient_norm < self.below
