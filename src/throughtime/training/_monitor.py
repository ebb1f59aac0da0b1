"""What happens between updates: progress is reported to callbacks, and criteria decide whether to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from throughtime._core import rng
from throughtime.training._history import Progress
from throughtime.training._stopping import Epochs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from throughtime.training._state import TrainingState
    from throughtime.training._stopping import StoppingCriterion

Callback = Callable[[Progress], None]
"""Function of a `Progress`."""

_CALLBACK_SECONDS = 0.1  # between two calls of the callbacks within an epoch, at least


class Monitor:
    """Reports progress and checks the stopping criteria.

    Args:
        state: of the training.
        criteria: the first that is met ends the training.
        callbacks: of which only the first process calls any.
    """

    def __init__(
        self, state: TrainingState, criteria: Sequence[StoppingCriterion], callbacks: Sequence[Callback]
    ) -> None:
        self._state = state
        self._criteria = criteria
        self._update_criteria = [criterion for criterion in criteria if criterion.check_every_update]
        epochs = [criterion.epochs for criterion in criteria if isinstance(criterion, Epochs)]
        self._max_epochs = min(epochs, default=None)
        self._callbacks = [] if state.distributed.rank else callbacks
        self._last_notified = 0.0

    def start(self) -> None:
        """Begin to measure the time between two calls of the callbacks."""
        self._last_notified = self._state.distributed.clock()

    def check_epoch(self) -> bool:
        """Return whether the training ends before another epoch."""
        return self._check(self._criteria, 0.0, 0.0)

    def check_update(self, loss: float, norm: float) -> bool:
        """Return whether the training ends after an update with this loss and gradient norm."""
        return bool(self._update_criteria) and self._check(self._update_criteria, loss, norm)

    def _check(self, criteria: Sequence[StoppingCriterion], loss: float, norm: float) -> bool:
        history = self._state.history
        if not history.stop_reason:
            progress = self.progress(loss, norm)
            for criterion in criteria:
                if criterion.should_stop(progress, history):
                    history.stop_reason = str(criterion)
                    break
        return bool(history.stop_reason)

    def max_updates(self) -> float:
        """Return how many updates may follow before a criterion has to be checked."""
        if not self._update_criteria:
            return float("inf")
        progress = self.progress(0.0, 0.0)
        return min(criterion.max_updates(progress) for criterion in self._update_criteria)

    def progress(self, loss: float, norm: float) -> Progress:
        """Return the progress, after an update with this loss and gradient norm."""
        state = self._state
        progress = Progress(
            epoch=len(state.history) + 1,
            epochs=self._max_epochs,
            updates=state.updates,
            loss=loss,
            validation_loss=state.validation_loss,
            gradient_norm=norm,
            seconds=state.seconds,
            seconds_left=None,
        )
        fractions = [f for criterion in self._criteria if (f := criterion.fraction_done(progress)) is not None]
        done = min(max(fractions, default=0.0), 1.0)
        if done <= 0:
            return progress
        # `replace` of dataclasses takes twice as long, and this runs after every update.
        return Progress(**{**vars(progress), "seconds_left": progress.seconds * (1 - done) / done})

    def notify(self, loss: float, norm: float, *, at_once: bool = False) -> bool:
        """Call the callbacks if it is time to; return whether they were called."""
        if not self._callbacks:
            return False
        now = time.monotonic()
        if not at_once and now - self._last_notified <= _CALLBACK_SECONDS:
            return False
        self._last_notified = now
        progress = self.progress(loss, norm)
        with rng.intercept_functions():
            for callback in self._callbacks:
                callback(progress)
        return True
