"""The training loop: epochs over batches, windows within a batch, an update for each window.

It stops at the first loss or gradient that is not finite, keeps the best weights, and restores them whatever happens.
"""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from throughtime.training._batch_groups import group_batches, is_prefetchable
from throughtime.training._evaluate import mean_loss
from throughtime.training._non_finite import NonFiniteLoss, locate_non_finite

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from throughtime.data.batches import Batch
    from throughtime.training._batch_groups import BatchGroup
    from throughtime.training._checkpointing import Checkpointer
    from throughtime.training._history import History
    from throughtime.training._monitor import Monitor
    from throughtime.training._state import TrainingState
    from throughtime.training._updater import Updater
    from throughtime.training._updates import UpdateConfig, UpdateResult
    from throughtime.training._windows import BPTTWindow

_log = logging.getLogger("throughtime.training")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during training. The model holds the best weights so far."""

    def __init__(self, history: History) -> None:
        super().__init__("training was interrupted; the model holds the best weights so far")
        self.history = history


class TrainingLoop:
    """Trains until a criterion is met.

    Args:
        config: settings of the updates; its model is validated.
        state: what the training changes.
        updater: makes the updates.
        monitor: checks criteria and calls callbacks.
        checkpointer: saves and restores the state.
    """

    def __init__(
        self,
        config: UpdateConfig,
        state: TrainingState,
        updater: Updater,
        monitor: Monitor,
        checkpointer: Checkpointer,
    ) -> None:
        self._config = config
        self._state = state
        self._updater = updater
        self._monitor = monitor
        self._checkpointer = checkpointer

    def run(self, data: Iterable[Batch], validation: Iterable[Batch] | None) -> History:
        """Train, from the checkpoint if there is one.

        Raises:
            Interrupted: on Ctrl-C.
            NonFiniteLoss: at the first loss or gradient that is not finite.
        """
        self._state.start()
        self._monitor.start()
        self._checkpointer.load()
        try:
            while not self._monitor.check_epoch():
                self._run_epoch(data, validation)
            self._checkpointer.save()
        except KeyboardInterrupt:
            self._state.restore_best()
            self._state.history.stop_reason = "interrupted"
            raise Interrupted(self._state.history) from None
        self._state.restore_best()
        _log.info("stopped after %d epochs: %s", len(self._state.history), self._state.history.stop_reason)
        return self._state.history

    def _run_epoch(self, data: Iterable[Batch], validation: Iterable[Batch] | None) -> None:
        state, epoch = self._state, self._state.epoch
        epoch.begin(state.updates)
        for group in self._groups(data):
            self._train(group)
            if state.history.stop_reason:
                break
            epoch.position = group.first + len(group.batches)
            self._checkpointer.save_if_due()
        if not state.epoch_updates:
            raise ValueError(
                f"data: expected at least one batch with a target for {self._config.bptt}, got none to train on"
            )
        if validation is not None:
            self._validate(validation)
        record = state.end_epoch(validated=validation is not None)
        self._notify(record.loss, record.gradient_norm, at_once=True)

    def _groups(self, data: Iterable[Batch]) -> Iterator[BatchGroup]:
        """Put batches that may be trained on in one call, or by several processes, into groups."""
        prefetch = is_prefetchable(data) or self._state.distributed.size > 1

        def max_size(batch: Batch) -> int:
            return self._updater.max_batches(batch, self._monitor.max_updates) if prefetch else 1

        return group_batches(self._state.epoch.remaining(data), max_size, self._updater.is_compatible)

    def _train(self, group: BatchGroup) -> None:
        state, epoch = self._state, self._state.epoch
        batch = state.distributed.local_batch(group.batches, state.model)
        epoch.reset_hidden(batch)
        for result, windows in self._updater.updates(group, batch, epoch.hidden, self._monitor.max_updates):
            if not result.is_finite:
                self._fail(result, windows, group)
            if state.history.path == "compiled":
                state.history.path = self._updater.path
            state.add(result, self._config.clip)
            if result.losses:
                loss, norm = result.losses[-1], result.norms[-1]
                if self._monitor.check_update(loss, norm):
                    return
                self._notify(loss, norm)

    def _notify(self, loss: float, norm: float, *, at_once: bool = False) -> None:
        if self._monitor.notify(loss, norm, at_once=at_once):
            self._updater.refresh()

    def _validate(self, validation: Iterable[Batch]) -> None:
        state = self._state
        try:
            state.validation_loss = mean_loss(self._config.model, validation, self._config.loss)
        except ValueError as error:
            raise ValueError(f"validation: {error}") from error
        if not math.isfinite(state.validation_loss):
            state.restore_best()
            values = locate_non_finite(validation, state.model)
            advice = f"validation: {values}. Remove or fill it before fit" if values else "Try a smaller learning rate"
            raise NonFiniteLoss(
                f"the validation loss is {state.validation_loss} after epoch {len(state.history) + 1}: "
                f"{state.kept_weights}. {advice}"
            )

    def _fail(self, result: UpdateResult, windows: list[BPTTWindow], group: BatchGroup) -> None:
        """End the training before an update whose loss or gradient is not finite."""
        state = self._state
        state.restore_best()
        completed, loss, norm = len(result.losses) - 1, result.losses[-1], result.norms[-1]
        problem = f"gradient is {norm}" if math.isfinite(loss) else f"loss is {loss}"
        values = locate_non_finite(group.batches, state.model, first=group.first)
        if values:
            raise NonFiniteLoss(f"{values}, and so the {problem}: {state.kept_weights}. Remove or fill it before fit")
        batch, window = group.first + completed // len(windows), windows[completed % len(windows)]
        raise NonFiniteLoss(
            f"the {problem} in epoch {len(state.history) + 1}, batch {batch + 1}, steps {window.start} to "
            f"{window.stop - 1}, update {state.updates + completed + 1}: {state.kept_weights}. Try a smaller "
            "learning rate, clip= or scaled inputs"
        )
