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

from throughtime import _random
from throughtime._random import PrivateRandom
from throughtime.nn.layouts import ManyToOne
from throughtime.training._bptt import CheckpointedBPTT, FullBPTT, TruncatedBPTT
from throughtime.training._checkpoints import Checkpoints
from throughtime.training._compiled import Compiled
from throughtime.training._general import General, Updates
from throughtime.training._history import History, Progress, Record
from throughtime.training._intercepting import may_draw
from throughtime.training._keeper import Epoch, Keeper
from throughtime.training._losses import loss_of
from throughtime.training._non_finite import NonFiniteLoss, locate_non_finite
from throughtime.training._precision import Mixed
from throughtime.training._reading import batches_of
from throughtime.training._runs import Run, at_hand, runs
from throughtime.training._stop import Epochs
from throughtime.training._team import join
from throughtime.training._unfold import (
    call,
    check_lengths,
    check_one_direction,
    check_order,
    judged,
    leading,
    started_from,
    stating,
    time_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor, nn
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from throughtime.data.sequences import Batch
    from throughtime.training._bptt import BPTT, Window
    from throughtime.training._losses import Loss
    from throughtime.training._reading import Data
    from throughtime.training._stop import Stop
    from throughtime.training._team import Team

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
    stop: Sequence[Stop] = (Epochs(100),),
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
    called = model if precision is None else Mixed(model, precision)
    intercept = may_draw(called, loss_of(loss), data, validation)
    draws = nullcontext() if seed is None else PrivateRandom(seed, intercept=intercept)
    with stating(batch_first), draws:
        check_order(data, model)
        check_order(validation, model)
        training = Training(
            model, called, loss_of(loss), bptt or FullBPTT(), made, scheduler, stop, clip, callbacks, join(model)
        )
        return training.run(batches_of(data), None if validation is None else batches_of(validation), checkpoints)


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
    batches = batches_of(data)
    with stating(batch_first):
        check_order(data, model)
        mean = _mean_loss(model, batches, loss_of(loss))
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
                state = started_from(state, batch.reset)
                y, state = call(model, batch.x, state, batch.lengths)
                y, target, weight = judged(y, batch.y, batch.x, batch.lengths, model)
                if weight:
                    total += float(loss(y, target)) * weight
                    count += weight
    finally:
        model.train(was_training)
    if not count:
        raise ValueError("data: expected at least one target to evaluate on, got none")
    return total / count


class Training:
    """One call of `fit`."""

    def __init__(
        self,
        model: nn.Module,
        called: nn.Module,
        loss: Loss,
        bptt: BPTT,
        optimizer: Optimizer,
        scheduler: LRScheduler | None,
        stop: Sequence[Stop],
        clip: float | None,
        callbacks: Sequence[Callback],
        team: Team,
    ) -> None:
        if not isinstance(bptt, FullBPTT | CheckpointedBPTT):
            check_one_direction(model, bptt)
        self.model = model
        self.called = called  # the model, perhaps in another precision
        self.loss = loss
        self.bptt = bptt
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.stop = stop
        self.each_update = [criterion for criterion in stop if criterion.each_update]
        self.clip = math.inf if clip is None else clip
        self.callbacks = [] if team.rank else callbacks
        self.team = team
        self.general = General(called, loss, optimizer, bptt, self.clip, team)
        self.compiled, self.reason = None, "several processes train together"
        if team.size == 1:
            self.compiled, self.reason = Compiled.of(called, loss, optimizer, bptt)
        self.history = History(path=f"general: {self.reason}" if self.reason else "compiled")
        self.updates = 0
        self.started = self.told = 0.0
        self.best: dict[str, Tensor] | None = None
        self.validation_loss: float | None = None
        self.epoch = Epoch()

    def run(
        self, data: Iterable[Batch], validation: Iterable[Batch] | None, checkpoints: Checkpoints | None
    ) -> History:
        self.model.train()
        self.team.begin(self.model)
        self.started = self.told = self.team.clock()
        self.keeper = Keeper(self, checkpoints)
        self.keeper.load()
        try:
            while not self._finished(self._progress(0.0, 0.0)):
                self._epoch(data, validation)
            self.keeper.save()
        except KeyboardInterrupt:
            self._restore()
            self.history.stopped = "interrupted"
            raise Interrupted(self.history) from None
        self._restore()
        _log.info("stopped after %d epochs: %s", len(self.history), self.history.stopped)
        return self.history

    def _epoch(self, data: Iterable[Batch], validation: Iterable[Batch] | None) -> None:
        now = self.epoch
        now.begin(self.updates)
        for run in runs(now.left(data), self._most if at_hand(data) or self.team.size > 1 else _one, self._follow):
            mine = self.team.share(run.batches, self.model)
            now.state = None if mine is None else started_from(now.state, mine.reset)
            for done in self._updates(run, mine, now.state):
                now.count(done, self.clip)
                now.state = done.state
                loss, norm = done.losses[-1], done.norms[-1]
                if self.each_update and self._finished(self._progress(loss, norm), self.each_update):
                    break
                self._tell(loss, norm)
            if self.history.stopped:
                break
            now.position = run.number + len(run.batches)
            self.keeper.save_if_due()
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
        self.epoch = Epoch()
        self._tell(record.loss, record.gradient_norm, at_once=True)

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
                f"the validation loss is {self.validation_loss} after epoch {len(self.history) + 1}: {self._held()}. "
                f"{cause}"
            )

    def _windows(self, batch: Batch, *, goes_on: bool = False) -> Iterator[Window]:
        whole, steps = leading(batch.x), batch.x.shape[time_of(self.model, batch.x)]
        if isinstance(self.bptt, FullBPTT):
            return self.bptt.windows(steps)
        check_lengths(batch.lengths, batch.x, self.model)
        if isinstance(self.bptt, CheckpointedBPTT):
            return self.bptt.windows(steps)
        if batch.y.shape[: len(whole)] != whole or isinstance(self.model, ManyToOne):
            raise ValueError(
                f"{self.bptt}: expected a target for each of the {steps} steps, got targets of shape "
                f"{tuple(batch.y.shape)} for a {type(self.model).__name__}; with one target for each sequence use "
                "FullBPTT()"
            )
        if isinstance(self.bptt, TruncatedBPTT):
            return self.bptt.windows(steps, goes_on=goes_on)
        return self.bptt.windows(steps)

    def _updates(self, run: Run, mine: Batch | None, state: Any) -> Iterator[Updates]:
        """Train on the windows of batches; tells of one update, or of as many as the engine has made in one go."""
        goes_on = _goes_on(run.batches[0])  # of all processes alike
        longest = max(run.batches, key=lambda batch: batch.x.shape[time_of(self.model, batch.x)])
        windows = self._windows(longest, goes_on=goes_on)
        first = next(windows, None)
        if first is None:  # too short to learn from, but not to remember
            if mine is not None and mine.reset is not None:
                self.epoch.state = self.general.run_over(mine, state)
            return
        windows = chain([first], windows)
        while (compiled := self._compiled_for(run.batches[0])) is not None:
            some = list(islice(windows, self._room() if len(run.batches) == 1 else None))
            if not some:
                return
            done = compiled.updates(run.batches, some, state, scheduler=self.scheduler, clip=self.clip)
            self._check(done, run, some)
            self.updates += len(done.losses)
            state = done.state
            yield done
        if self.history.path == "compiled":
            self.history.path = f"general: {self._refused(run.batches[0])}"
        own = windows if self.team.size == 1 else iter(()) if mine is None else self._windows(mine, goes_on=goes_on)
        for window in windows:
            done = self.general.update(mine, window if own is windows else next(own, None), state)
            self._check(done, run, [window])
            if done.targets[0]:
                self.updates += 1
                if self.scheduler is not None:
                    self.scheduler.step()
            state = done.state
            yield done

    def _compiled_for(self, batch: Batch) -> Compiled | None:
        return None if self._refused(batch) else self.compiled

    def _refused(self, batch: Batch) -> str:
        """Why a batch is not trained on in the engine, or ''."""
        return self.reason if self.compiled is None else self.compiled.refuses(batch)

    def _most(self, batch: Batch) -> int:
        """How many batches like this one may be trained on in one go."""
        if batch.reset is not None:
            return 1
        if self._compiled_for(batch) is None:
            return self.team.size
        room = self._room()
        return max(1, room // max(1, sum(1 for _ in islice(self._windows(batch), room))))

    def _follow(self, batch: Batch, other: Batch) -> bool:
        return other.reset is None and (self.compiled is None or self.compiled.follows(batch, other))

    def _room(self) -> int:
        """How many updates the engine may make before somebody has to look."""
        assert self.compiled is not None
        room: float = self.compiled.pace
        if self.each_update:
            now = self._progress(0.0, 0.0)
            room = min(room, *(criterion.room(now) for criterion in self.each_update))
        return max(1, int(room))

    def _check(self, done: Updates, run: Run, windows: list[Window]) -> None:
        """End the training before an update whose loss or gradient is no number."""
        if done.finite:
            return
        self._restore()
        made, loss, norm = len(done.losses) - 1, done.losses[-1], done.norms[-1]
        what = f"gradient is {norm}" if math.isfinite(loss) else f"loss is {loss}"
        batch, window = run.number + made // len(windows), windows[made % len(windows)]
        self.updates += made
        values = locate_non_finite(run.batches, self.model, first=run.number)
        if values:
            raise NonFiniteLoss(f"{values}, and so the {what}: {self._held()}. Remove or fill it before fit")
        raise NonFiniteLoss(
            f"the {what} in epoch {len(self.history) + 1}, batch {batch + 1}, "
            f"steps {window.start} to {window.stop - 1}, update {self.updates + 1}: {self._held()}. A smaller learning "
            "rate, clip= or scaled inputs may help"
        )

    def _held(self) -> str:
        """Which weights the model holds after a failure, in words."""
        best = None if self.best is None else self.history.best
        return "the weights from before it are kept" if best is None else f"those of epoch {best.epoch} are kept"

    def seconds(self) -> float:
        return self.team.clock() - self.started

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
        shares = [share for criterion in self.stop if (share := criterion.share(now)) is not None]
        share = min(max(shares, default=0.0), 1.0)
        left = seconds * (1 - share) / share if share > 0 else None
        return Progress(**{**now.__dict__, "seconds_left": left})

    def _tell(self, loss: float, norm: float, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if self.callbacks and (at_once or now - self.told > _CALLBACK_SECONDS):
            self.told = now
            progress = self._progress(loss, norm)
            with _random.intercepting():
                for callback in self.callbacks:
                    callback(progress)
            self._look_again()

    def _look_again(self) -> None:
        """See what callbacks have done to the model and its optimizer."""
        if self.compiled is None:
            return
        found, self.reason = Compiled.of(self.called, self.loss, self.optimizer, self.bptt)
        if found is not None:
            found.pace = self.compiled.pace
        self.compiled = found

    def _finished(self, now: Progress, criteria: Sequence[Stop] | None = None) -> bool:
        for criterion in self.stop if criteria is None else criteria:
            if not self.history.stopped and criterion.reached(now, self.history):
                self.history.stopped = str(criterion)
        return bool(self.history.stopped)

    def _restore(self) -> None:
        if self.best is not None:
            self.model.load_state_dict(self.best)


def _one(_: Batch) -> int:
    return 1


def _goes_on(batch: Batch) -> bool:
    """Whether some row of a batch goes on from the one before."""
    return batch.reset is not None and not bool(batch.reset.all())
