"""Training of the networks for sequences: AdamW, one cycle of the learning rate, early stopping or averaging."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from throughtime import training
from throughtime.tasks.averaging import AveragedWeights, ValidatedAverage, rising_decay
from throughtime.tasks.schedules import one_cycle, parse_budget
from throughtime.tasks.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from throughtime.data.batches import Batch
    from throughtime.training._bptt import BPTT

    Callback = Callable[[training.Progress], None]

_MAX_GRADIENT_NORM = 1.0
_MIN_PATIENCE = 4  # epochs
_LEARNING_RATE = 2e-3
_WARMUP_FRACTION = 0.15


@dataclass(frozen=True)
class TrainingBudget:
    """Work of a preset.

    Attributes:
        updates: of the weights, as far as they take at least `min_epochs` and at most `max_epochs`.
        min_epochs: epochs, however many batches there are.
        max_epochs: epochs, however few batches there are.
    """

    updates: int
    min_epochs: int
    max_epochs: int

    def epochs(self, batches: int) -> int:
        """Return the passes over so many batches."""
        return min(max(-(-self.updates // batches), self.min_epochs), self.max_epochs)

    def options(self, batches: int, budget: float | str | None) -> TrainingOptions:
        """Return the options of the training of a classifier or a tagger.

        Args:
            batches: of an epoch.
            budget: of time, as `parse_budget` reads it.
        """
        return TrainingOptions(
            self.epochs(batches), batches, _LEARNING_RATE, _WARMUP_FRACTION, seconds=parse_budget(budget)
        )


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training.

    Attributes:
        epochs: passes over the data.
        updates_per_epoch: batches, or windows of truncated backpropagation.
        learning_rate: at the top of its cycle.
        warmup_fraction: share of the cycle in which the learning rate rises.
        seconds: after which the training ends, whatever the epochs.
        weight_decay: of AdamW.
        betas: of AdamW.
        ema_decay: of the average of the weights, which is then validated and used; None to use the weights themselves.
        single_thread: whether the work is too little for more than one thread.
    """

    epochs: int
    updates_per_epoch: int
    learning_rate: float
    warmup_fraction: float = 0.1
    seconds: float = math.inf
    weight_decay: float = 1e-2
    betas: tuple[float, float] = (0.9, 0.999)
    ema_decay: float | None = None
    single_thread: bool = False

    @property
    def updates(self) -> int:
        """Updates of all epochs."""
        return self.epochs * self.updates_per_epoch


def train_network(
    network: nn.Module,
    batches: Iterable[Batch],
    options: TrainingOptions,
    *,
    loss: str | Callable[[Tensor, Tensor], Tensor],
    validation: Iterable[Batch] | None,
    bptt: BPTT | None = None,
    on_update: Callable[[float], None] | None = None,
    callbacks: Sequence[Callback],
    seed: int,
) -> training.History:
    """Train a network, which ends in evaluation mode with the weights of the epoch that validated best.

    Without averaging, training also stops early where the validation loss no longer falls.

    Args:
        network: is changed in place.
        batches: are read once for each epoch.
        options: of the training.
        loss: of a batch.
        validation: batches that the weights are chosen by; None to keep those of the last epoch.
        bptt: strategy of backpropagation; full if None.
        on_update: is called after each update with the share of all updates that are done.
        callbacks: are called with the progress.
        seed: of the draws in training.

    Raises:
        training.Interrupted: on Ctrl-C; the network holds the best weights so far.
    """
    average = None if options.ema_decay is None else AveragedWeights(network, rising_decay(options.ema_decay))

    def optimizer(_: Iterable[nn.Parameter]) -> Optimizer:
        settings = {"lr": options.learning_rate, "weight_decay": options.weight_decay, "betas": options.betas}
        adamw = torch.optim.AdamW(network.parameters(), **settings)
        if average is not None:
            average.follow(adamw)
        if on_update is not None:
            report, update = on_update, itertools.count(1)
            adamw.register_step_post_hook(lambda *_: report(next(update) / options.updates))
        return adamw

    stop: list[training.Epochs | training.Seconds | training.Patience] = [
        training.Epochs(options.epochs),
        training.Seconds(options.seconds),
    ]
    if validation is not None and average is None:
        stop.append(training.Patience(max(_MIN_PATIENCE, options.epochs // 3)))
    try:
        with one_thread(when=options.single_thread):
            return training.fit(
                network if average is None else ValidatedAverage(network, average),
                batches,
                loss=loss,
                bptt=bptt,
                optimizer=optimizer,
                schedule=one_cycle(options.updates, options.seconds, warmup_fraction=options.warmup_fraction),
                stop=stop,
                clip=_MAX_GRADIENT_NORM,
                validation=validation,
                callbacks=callbacks,
                seed=seed,
            )
    finally:
        if average is not None:
            average.load()
        network.eval()
