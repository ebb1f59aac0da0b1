"""The training loop: epochs over batches, windows within a batch, an update for each window.

The strategy says how a batch is cut into windows, the criteria when to stop, callbacks hear of everything. What is here
is the loop itself and what keeps it safe: it stops at the first loss or gradient that is no number, keeps the best
weights, and hands them back whatever happens.
"""

from __future__ import annotations

import logging
import math
import time
from contextlib import nullcontext
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import torch

from throughtime._core import rng
from throughtime._core.rng import PrivateRandom
from throughtime.training._autograd import AutogradUpdater, UpdateResult
from throughtime.training._batch_groups import BatchGroup, group_batches, is_prefetchable
from throughtime.training._batches import as_batches
from throughtime.training._bptt import FullBPTT
from throughtime.training._checkpointing import Checkpointer, EpochState
from throughtime.training._checkpoints import Checkpoints
from throughtime.training._distributed import join
from throughtime.training._fused import FusedUpdater
from throughtime.training._history import History, Progress, Record
from throughtime.training._losses import get_loss
from throughtime.training._mixed_precision import MixedPrecisionModel
from throughtime.training._non_finite import NonFiniteLoss, locate_non_finite
from throughtime.training._stopping import Epochs
from throughtime.training._user_randomness import may_draw_random
from throughtime.training._windows import (
    apply_reset,
    check_batch_first,
    check_lengths,
    check_step_targets,
    check_unidirectional,
    override_batch_first,
    run_model,
    select_targets,
    time_dim,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor, nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from throughtime.data.batches import Batch
    from throughtime.training._batches import Data
    from throughtime.training._bptt import BPTT
    from throughtime.training._distributed import DistributedContext
    from throughtime.training._losses import Loss
    from throughtime.training._stopping import StoppingCriterion
    from throughtime.training._windows import BPTTWindow

    Callback = Callable[[Progress], None]

_log = logging.getLogger("throughtime.training")

_OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}
_CALLBACK_SECONDS = 0.1  # within an epoch, callbacks hear no more often than this


class Interrupted(KeyboardInterrupt):
    """Ctrl-C while training. The model holds the best weights so far."""

    def __init__(self, history: History) -> None:
        super().__init__("training was interrupted; the model holds the best weights so far")
        self.history = history


def fit(
    model: nn.Module,
    data: Data,
    *,
    loss: str | Loss = "mse",
    bptt: BPTT | None = None,
    optimizer: str | Callable[[Iterable[nn.Parameter]], Optimizer] = "adam",
    learning_rate: float = 1e-3,
    schedule: Callable[[Optimizer], LRScheduler] | None = None,
    validation: Data | None = None,
    stop: Sequence[StoppingCriterion] = (Epochs(100),),
    clip: float | None = None,
    precision: str | None = None,
    callbacks: Sequence[Callback] = (),
    seed: int | None = None,
    checkpoints: Checkpoints | None = None,
    batch_first: bool | None = None,
) -> History:
    """Train a model through time.

    Args:
        model: maps (x, state) to (y, state), as the layouts of `throughtime.nn` do; with `FullBPTT` any module that
            maps x to y. Where batches have lengths it is called with `lengths=`.
        data: (x, y), (x, y, lengths), or anything that gives one of these or a `Batch` after the other and can be
            walked again, as a list or a DataLoader.
        loss: 'mse', 'mae', 'cross_entropy', 'binary_cross_entropy' (of logits), or a function of (y, target).
        bptt: how sequences are cut and how far back gradients reach; `FullBPTT()` if None.
        optimizer: 'sgd', 'adam', 'adamw', 'rmsprop', or a function of the parameters.
        learning_rate: for a named optimizer.
        schedule: a function of the optimizer; the scheduler takes a step after each update.
        validation: data of the same kind, for stopping and for choosing the weights that are kept.
        stop: criteria; the first that is reached ends the training.
        clip: largest norm of the gradient over all parameters; None for no limit.
        precision: 'bfloat16' makes the model's products in that type under `torch.autocast`, while weights, states and
            losses keep theirs; None for the weights' type.
        callbacks: are called with a `Progress` after each epoch and some ten times a second.
        seed: of shuffling, dropout and whatever else draws through torch in the calling thread, all of which draw from
            generators of the call's own; None draws from the global ones, which other threads share.
        checkpoints: where the state of the training is kept, to go on from after an interruption.
        batch_first: whether inputs are (N, T, ...) rather than (T, N, ...). None takes the model's attribute of that
            name, or that of the recurrent layers inside it; a model without either reads time first.

    Returns:
        The history. The model holds the weights of the best epoch by validation loss, or, without validation data, the
        last ones.

    Raises:
        ValueError: if data and strategy do not fit, or a name is not known.
        TypeError: for an optimizer or a schedule that asks for more than gradients, and for what are no checkpoints.
        NonFiniteLoss: at the first loss or gradient that is no number.
        Interrupted: on Ctrl-C.
        ProcessLost: if one of several processes that train together has ended.
    """
    if isinstance(optimizer, str):
        if optimizer not in _OPTIMIZERS:
            raise ValueError(f"optimizer: expected one of {', '.join(_OPTIMIZERS)} or a function, got {optimizer!r}")
        made: Optimizer = _OPTIMIZERS[optimizer](model.parameters(), lr=learning_rate)
    else:
        made = optimizer(model.parameters())
    scheduler = schedule and schedule(made)
    _check(made, scheduler, clip, checkpoints)
    called = model if precision is None else MixedPrecisionModel(model, precision)
    intercept = may_draw_random(called, get_loss(loss), data, validation)
    draws = nullcontext() if seed is None else PrivateRandom(seed, intercept=intercept)
    with override_batch_first(batch_first), draws:
        check_batch_first(data, model)
        check_batch_first(validation, model)
        training = TrainingLoop(
            model, called, get_loss(loss), bptt or FullBPTT(), made, scheduler, stop, clip, callbacks, join(model)
        )
        return training.run(as_batches(data), None if validation is None else as_batches(validation), checkpoints)


def _check(optimizer: Optimizer, scheduler: LRScheduler | None, clip: float | None, checkpoints: Any) -> None:
    """Refuse what would fail only later, or do harm without a word."""
    if isinstance(optimizer, torch.optim.LBFGS):
        raise TypeError("optimizer: expected one that takes a step from one gradient, got LBFGS, which asks for more")
    if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
        raise TypeError(
            "schedule: expected one that takes a step after each update, got ReduceLROnPlateau; let a callback lower "
            "optimizer.param_groups[0]['lr'] by Progress.validation_loss"
        )
    if clip is not None and not clip > 0:
        raise ValueError(f"clip: expected a norm above 0 or None, got {clip}")
    if checkpoints is not None and not isinstance(checkpoints, Checkpoints):
        raise TypeError(f"checkpoints: expected Checkpoints(directory) or None, got {checkpoints!r}")


def evaluate(model: nn.Module, data: Data, *, loss: str | Loss = "mse", batch_first: bool | None = None) -> float:
    """Mean loss of a model over data, a batch weighing as many as it has targets; as `fit` computes it for validation.

    Args:
        model: as for `fit`; its dropout is off meanwhile.
        data: as for `fit`.
        loss: as for `fit`.
        batch_first: as for `fit`.

    Raises:
        ValueError: if data do not fit, or hold no target.
        NonFiniteLoss: if the loss is not finite because a value of the data is not.
    """
    batches = as_batches(data)
    with override_batch_first(batch_first):
        check_batch_first(data, model)
        mean = _mean_loss(model, batches, get_loss(loss))
        values = "" if math.isfinite(mean) else locate_non_finite(batches, model)
    if values:
        raise NonFiniteLoss(f"{values}, and so the loss is {mean}. Remove or fill it before evaluate")
    return mean


def _mean_loss(model: nn.Module, batches: Iterable[Batch], loss: Loss) -> float:
    total = count = 0.0
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            state: Any = None
            for batch in batches:
                state = apply_reset(state, batch.reset)
                y, state = run_model(model, batch.x, state, batch.lengths)
                y, target, weight = select_targets(y, batch.y, batch.x, batch.lengths, model)
                if weight:
                    total += float(loss(y, target)) * weight
                    count += weight
    finally:
        model.train(was_training)
    if not count:
        raise ValueError("data: expected at least one target to evaluate on, got none")
    return total / count


class TrainingLoop:
    """One call of `fit`."""

    def __init__(
        self,
        model: nn.Module,
        called: nn.Module,
        loss: Loss,
        bptt: BPTT,
        optimizer: Optimizer,
        scheduler: LRScheduler | None,
        stop: Sequence[StoppingCriterion],
        clip: float | None,
        callbacks: Sequence[Callback],
        distributed: DistributedContext,
    ) -> None:
        if bptt.cuts_sequences:
            check_unidirectional(model, bptt)
        self.model = model
        self.called = called  # the model, perhaps in another precision
        self.loss = loss
        self.bptt = bptt
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.stop = stop
        self.check_every_update = [criterion for criterion in stop if criterion.check_every_update]
        self.clip = math.inf if clip is None else clip
        self.callbacks = [] if distributed.rank else callbacks
        self.distributed = distributed
        self.autograd_updater = AutogradUpdater(called, loss, optimizer, bptt, self.clip, distributed)
        self.fused_updater, self.fallback_reason = None, "several processes train together"
        if distributed.size == 1:
            self.fused_updater, self.fallback_reason = FusedUpdater.create(called, loss, optimizer, bptt)
        self.history = History(path=f"general: {self.fallback_reason}" if self.fallback_reason else "compiled")
        self.updates = 0
        self.start_time = self.last_notified = 0.0
        self.best: dict[str, Tensor] | None = None
        self.validation_loss: float | None = None
        self.epoch = EpochState()

    def run(
        self, data: Iterable[Batch], validation: Iterable[Batch] | None, checkpoints: Checkpoints | None
    ) -> History:
        self.model.train()
        self.distributed.synchronize(self.model)
        self.start_time = self.last_notified = self.distributed.clock()
        self.checkpointer = Checkpointer(self, checkpoints)
        self.checkpointer.load()
        try:
            while not self._should_stop(self._progress(0.0, 0.0)):
                self._epoch(data, validation)
            self.checkpointer.save()
        except KeyboardInterrupt:
            self._restore()
            self.history.stop_reason = "interrupted"
            raise Interrupted(self.history) from None
        self._restore()
        _log.info("stopped after %d epochs: %s", len(self.history), self.history.stop_reason)
        return self.history

    def _epoch(self, data: Iterable[Batch], validation: Iterable[Batch] | None) -> None:
        now = self.epoch
        now.begin(self.updates)
        for group in group_batches(
            now.remaining(data),
            self._max_batches if is_prefetchable(data) or self.distributed.size > 1 else _one_batch,
            self._is_compatible,
        ):
            batch = self.distributed.local_batch(group.batches, self.model)
            now.state = None if batch is None else apply_reset(now.state, batch.reset)
            for done in self._updates(group, batch, now.state):
                now.count(done, self.clip)
                now.state = done.state
                loss, norm = done.losses[-1], done.norms[-1]
                if self.check_every_update and self._should_stop(self._progress(loss, norm), self.check_every_update):
                    break
                self._notify(loss, norm)
            if self.history.stop_reason:
                break
            now.position = group.first + len(group.batches)
            self.checkpointer.save_if_due()
        loss, targets, norms, clipped = now.totals
        done = self.updates - now.updates
        if not done:
            raise ValueError(f"data: expected at least one batch with a target for {self.bptt}, got none to train on")
        if validation is not None:
            self._validate(validation)
        record = Record(
            epoch=len(self.history) + 1,
            updates=self.updates,
            loss=loss / max(targets, 1),
            validation_loss=self.validation_loss,
            gradient_norm=norms / done,
            clipped=clipped / done,
            learning_rate=float(self.optimizer.param_groups[0]["lr"]),
            seconds=self.seconds(),
        )
        if validation is not None and (self.history.best is None or record.score < self.history.best.score):
            self.best = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.history.records.append(record)
        self.epoch = EpochState()
        self._notify(record.loss, record.gradient_norm, at_once=True)

    def _validate(self, validation: Iterable[Batch]) -> None:
        try:
            self.validation_loss = _mean_loss(self.called, validation, self.loss)
        except ValueError as error:
            raise ValueError(f"validation: {error}") from error
        if not math.isfinite(self.validation_loss):
            self._restore()
            values = locate_non_finite(validation, self.model)
            cause = (
                f"validation: {values}. Remove or fill it before fit" if values else "A smaller learning rate may help"
            )
            raise NonFiniteLoss(
                f"the validation loss is {self.validation_loss} after epoch {len(self.history) + 1}: {self._kept_weights()}. "
                f"{cause}"
            )

    def _windows(self, batch: Batch, *, continues: bool = False) -> Iterator[BPTTWindow]:
        if self.bptt.cuts_sequences:
            check_lengths(batch.lengths, batch.x, self.model)
        if self.bptt.needs_step_targets:
            check_step_targets(batch.y, batch.x, self.model, self.bptt)
        return self.bptt.windows(batch.x.shape[time_dim(self.model, batch.x)], continues=continues)

    def _updates(self, group: BatchGroup, mine: Batch | None, state: Any) -> Iterator[UpdateResult]:
        """Train on the windows of batches; tells of one update, or of as many as the engine has made in one go."""
        continues = _continues(group.batches[0])  # of all processes alike
        longest = max(group.batches, key=lambda batch: batch.x.shape[time_dim(self.model, batch.x)])
        windows = self._windows(longest, continues=continues)
        first = next(windows, None)
        if first is None:  # too short to learn from, but not to remember
            if mine is not None and mine.reset is not None:
                self.epoch.state = self.autograd_updater.advance_state(mine, state)
            return
        windows = chain([first], windows)
        while (fused_updater := self._fused_updater_for(group.batches[0])) is not None:
            some = list(islice(windows, self._max_updates() if len(group.batches) == 1 else None))
            if not some:
                return
            done = fused_updater.updates(group.batches, some, state, scheduler=self.scheduler, clip=self.clip)
            self._check(done, group, some)
            self.updates += len(done.losses)
            state = done.state
            yield done
        if self.history.path == "compiled":
            self.history.path = f"general: {self._fallback_reason(group.batches[0])}"
        own = (
            windows
            if self.distributed.size == 1
            else iter(())
            if mine is None
            else self._windows(mine, continues=continues)
        )
        for window in windows:
            done = self.autograd_updater.update(mine, window if own is windows else next(own, None), state)
            self._check(done, group, [window])
            if done.targets[0]:
                self.updates += 1
                if self.scheduler is not None:
                    self.scheduler.step()
            state = done.state
            yield done

    def _fused_updater_for(self, batch: Batch) -> FusedUpdater | None:
        return None if self._fallback_reason(batch) else self.fused_updater

    def _fallback_reason(self, batch: Batch) -> str:
        """Why a batch is not trained on in the engine, or ''."""
        return self.fallback_reason if self.fused_updater is None else self.fused_updater.fallback_reason(batch)

    def _max_batches(self, batch: Batch) -> int:
        """How many batches like this one may be trained on in one go."""
        if batch.reset is not None:
            return 1
        if self._fused_updater_for(batch) is None:
            return self.distributed.size
        max_updates = self._max_updates()
        return max(1, max_updates // max(1, sum(1 for _ in islice(self._windows(batch), max_updates))))

    def _is_compatible(self, batch: Batch, other: Batch) -> bool:
        return other.reset is None and (self.fused_updater is None or self.fused_updater.is_compatible(batch, other))

    def _max_updates(self) -> int:
        """How many updates the engine may make before somebody has to look."""
        assert self.fused_updater is not None
        max_updates: float = self.fused_updater.updates_per_call
        if self.check_every_update:
            now = self._progress(0.0, 0.0)
            max_updates = min(max_updates, *(criterion.max_updates(now) for criterion in self.check_every_update))
        return max(1, int(max_updates))

    def _check(self, done: UpdateResult, group: BatchGroup, windows: list[BPTTWindow]) -> None:
        """End the training before an update whose loss or gradient is no number."""
        if done.is_finite:
            return
        self._restore()
        made, loss, norm = len(done.losses) - 1, done.losses[-1], done.norms[-1]
        what = f"gradient is {norm}" if math.isfinite(loss) else f"loss is {loss}"
        batch, window = group.first + made // len(windows), windows[made % len(windows)]
        self.updates += made
        values = locate_non_finite(group.batches, self.model, first=group.first)
        if values:
            raise NonFiniteLoss(f"{values}, and so the {what}: {self._kept_weights()}. Remove or fill it before fit")
        raise NonFiniteLoss(
            f"the {what} in epoch {len(self.history) + 1}, batch {batch + 1}, "
            f"steps {window.start} to {window.stop - 1}, update {self.updates + 1}: {self._kept_weights()}. A smaller learning "
            "rate, clip= or scaled inputs may help"
        )

    def _kept_weights(self) -> str:
        """Which weights the model holds after a failure, in words."""
        best = None if self.best is None else self.history.best
        return "the weights from before it are kept" if best is None else f"those of epoch {best.epoch} are kept"

    def seconds(self) -> float:
        return self.distributed.clock() - self.start_time

    def _progress(self, loss: float, norm: float) -> Progress:
        seconds = self.seconds()
        epochs = [criterion.epochs for criterion in self.stop if isinstance(criterion, Epochs)]
        now = Progress(
            epoch=len(self.history) + 1,
            epochs=min(epochs, default=None),
            updates=self.updates,
            loss=loss,
            validation_loss=self.validation_loss,
            gradient_norm=norm,
            seconds=seconds,
            seconds_left=None,
        )
        shares = [
            fraction_done for criterion in self.stop if (fraction_done := criterion.fraction_done(now)) is not None
        ]
        fraction_done = min(max(shares, default=0.0), 1.0)
        left = seconds * (1 - fraction_done) / fraction_done if fraction_done > 0 else None
        return Progress(**{**now.__dict__, "seconds_left": left})

    def _notify(self, loss: float, norm: float, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if self.callbacks and (at_once or now - self.last_notified > _CALLBACK_SECONDS):
            self.last_notified = now
            progress = self._progress(loss, norm)
            with rng.intercept_functions():
                for callback in self.callbacks:
                    callback(progress)
            self._recheck_fused()

    def _recheck_fused(self) -> None:
        """See what callbacks have done to the model and its optimizer."""
        if self.fused_updater is None:
            return
        found, self.fallback_reason = FusedUpdater.create(self.called, self.loss, self.optimizer, self.bptt)
        if found is not None:
            found.updates_per_call = self.fused_updater.updates_per_call
        self.fused_updater = found

    def _should_stop(self, now: Progress, criteria: Sequence[StoppingCriterion] | None = None) -> bool:
        for criterion in self.stop if criteria is None else criteria:
            if not self.history.stop_reason and criterion.should_stop(now, self.history):
                self.history.stop_reason = str(criterion)
        return bool(self.history.stop_reason)

    def _restore(self) -> None:
        if self.best is not None:
            self.model.load_state_dict(self.best)


def _one_batch(_: Batch) -> int:
    return 1


def _continues(batch: Batch) -> bool:
    """Whether some row of a batch goes on from the one before."""
    return batch.reset is not None and not bool(batch.reset.all())
