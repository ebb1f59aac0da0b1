"""How updates are computed: in the engine where it covers model, loss and batch, else through autograd."""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from throughtime.training._autograd import AutogradUpdater
from throughtime.training._fused import FusedUpdater
from throughtime.training._time_axis import time_dim
from throughtime.training._updates import UpdateResult
from throughtime.training._windows import check_lengths, check_step_targets, check_unidirectional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from throughtime.data.batches import Batch
    from throughtime.training._batch_groups import BatchGroup
    from throughtime.training._updates import UpdateConfig
    from throughtime.training._windows import BPTTWindow


class Updater:
    """Trains on the windows of batches.

    Args:
        config: settings of the updates.

    Raises:
        ValueError: if the strategy does not fit the model.
    """

    def __init__(self, config: UpdateConfig) -> None:
        if config.bptt.cuts_sequences:
            check_unidirectional(config.model, config.bptt)
        self._config = config
        self._processes = config.distributed.size
        self._autograd = AutogradUpdater(config)
        self._fused, self._fused_reason = None, "several processes train together"
        if self._processes == 1:
            self._fused, self._fused_reason = FusedUpdater.create(
                config.model, config.loss, config.optimizer, config.bptt
            )
        self.path = f"general: {self._fused_reason}" if self._fused_reason else "compiled"

    def updates(
        self, group: BatchGroup, batch: Batch | None, state: Any, max_updates: Callable[[], float]
    ) -> Iterator[tuple[UpdateResult, list[BPTTWindow]]]:
        """Train on the windows of a group of batches; yield one update, or as many as the engine makes in one call.

        Args:
            group: batches, of all processes.
            batch: part of the first one that this process trains on; None if it has none.
            state: before the first window.
            max_updates: returns how many updates may follow before it is asked again.

        Yields:
            Updates, and the windows that each of their batches was cut into.
        """
        continues = _continues(group.batches[0])  # the same in all processes
        longest = max(group.batches, key=lambda batch: batch.x.shape[time_dim(self._config.model, batch.x)])
        windows = self._windows(longest, continues=continues)
        first = next(windows, None)
        if first is None:  # too short to train on, but its state continues
            if batch is not None and batch.reset is not None:
                yield UpdateResult([], [], [], self._autograd.advance_state(batch, state)), []
            return
        windows = chain([first], windows)
        while (fused := self._fused_for(group.batches[0])) is not None:
            chunk = list(islice(windows, fused.limit(max_updates()) if len(group.batches) == 1 else None))
            if not chunk:
                return
            result = fused.update(group.batches, chunk, state, scheduler=self._config.scheduler, clip=self._config.clip)
            state = result.state
            yield result, chunk
        if self.path == "compiled":
            self.path = f"general: {self._fallback_reason(group.batches[0])}"
        local = windows
        if self._processes > 1:
            local = iter(()) if batch is None else self._windows(batch, continues=continues)
        for window in windows:
            result = self._autograd.update(batch, window if local is windows else next(local, None), state)
            state = result.state
            yield result, [window]

    def max_batches(self, batch: Batch, max_updates: Callable[[], float]) -> int:
        """Return how many batches like this one may be trained on in one call."""
        if batch.reset is not None:
            return 1
        fused = self._fused_for(batch)
        if fused is None:
            return self._processes
        limit = fused.limit(max_updates())
        return max(1, limit // max(1, sum(1 for _ in islice(self._windows(batch), limit))))

    def is_compatible(self, batch: Batch, other: Batch) -> bool:
        """Return whether one batch may be trained on in one call with another."""
        return other.reset is None and (self._fused is None or self._fused.is_compatible(batch, other))

    def refresh(self) -> None:
        """Check again whether the engine covers the model and its optimizer, which callbacks may have changed."""
        if self._fused is not None:
            self._fused, self._fused_reason = FusedUpdater.create(
                self._config.model,
                self._config.loss,
                self._config.optimizer,
                self._config.bptt,
                updates_per_call=self._fused.updates_per_call,
            )

    def _windows(self, batch: Batch, *, continues: bool = False) -> Iterator[BPTTWindow]:
        if self._config.bptt.cuts_sequences:
            check_lengths(batch.lengths, batch.x, self._config.model)
        if self._config.bptt.needs_step_targets:
            check_step_targets(batch.y, batch.x, self._config.model, self._config.bptt)
        return self._config.bptt.windows(batch.x.shape[time_dim(self._config.model, batch.x)], continues=continues)

    def _fused_for(self, batch: Batch) -> FusedUpdater | None:
        return None if self._fallback_reason(batch) else self._fused

    def _fallback_reason(self, batch: Batch) -> str:
        return self._fused_reason if self._fused is None else self._fused.fallback_reason(batch)


def _continues(batch: Batch) -> bool:
    """Return whether some row of a batch continues the batch before."""
    return batch.reset is not None and not bool(batch.reset.all())
