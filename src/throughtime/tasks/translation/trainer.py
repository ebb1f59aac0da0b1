"""Training of a translator: pairs of similar length, label smoothing, averaged weights, scheduled teacher forcing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from throughtime.data.batches import Batch, bucket_by_length
from throughtime.data.text.special_symbols import BEGIN, END, PAD
from throughtime.inference.translation.translator import pad_rows
from throughtime.tasks.trainer import TrainingOptions, train_network

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from throughtime import training
    from throughtime.tasks.trainer import Callback
    from throughtime.tasks.translation.network import TranslatorNetwork

_LEARNING_RATE = 2e-3
_BETAS = (0.9, 0.98)
_EMA_DECAY = 0.998
_MIN_THREADED_WORK = 1024  # hidden units of all rows, below which threads wait more than they work


class PairBatches:
    """Pairs of sentences in batches of similar length, in a new order at every pass."""

    def __init__(
        self, sources: Sequence[list[int]], targets: Sequence[list[int]], batch_size: int, *, shuffle: bool
    ) -> None:
        self._sources, self._targets = sources, targets
        self._batch_size = batch_size
        self._shuffle = shuffle
        self._lengths = torch.tensor([len(s) + len(t) for s, t in zip(sources, targets, strict=True)])

    def initial_logits(self, width: int) -> Tensor:
        """Logits of what is likely at any step, of V = `width` symbols."""
        targets = torch.tensor([number for target in self._targets for number in [*target, END]])
        counts = torch.bincount(targets, minlength=width) + 1.0
        return (counts / counts.sum()).log()

    def __len__(self) -> int:
        return math.ceil(len(self._lengths) / self._batch_size)

    def __iter__(self) -> Iterator[Batch]:
        for rows in bucket_by_length(self._lengths, self._batch_size, shuffle=self._shuffle):
            chosen = rows.tolist()
            yield collate_pairs([self._sources[i] for i in chosen], [self._targets[i] for i in chosen])


def collate_pairs(sources: Sequence[list[int]], targets: Sequence[list[int]]) -> Batch:
    """Return a batch (2, S, N), and the real symbols of its targets in the order in which the network gives them."""
    inputs = [[BEGIN, *target] for target in targets]
    steps = max(map(len, [*sources, *inputs]))
    x = np.stack([pad_rows(sources, steps), pad_rows(inputs, steps)])
    y = pad_rows([[*target, END] for target in targets], steps)
    return Batch(torch.from_numpy(x), torch.from_numpy(y[y != PAD]))


@dataclass(frozen=True)
class TeacherForcing:
    """Ratio of steps at which the decoder reads the true previous symbol, not its own prediction, in training.

    Attributes:
        start: ratio at the beginning of the training.
        end: ratio at its end; it changes linearly.
    """

    start: float = 1.0
    end: float = 1.0

    def ratio(self, progress: float) -> float:
        """Return the ratio at a share of the training."""
        return self.start + (self.end - self.start) * min(progress, 1.0)


def train_translator(
    network: TranslatorNetwork,
    pairs: PairBatches,
    validation: PairBatches | None,
    *,
    epochs: int,
    seconds: float,
    label_smoothing: float,
    teacher_forcing: TeacherForcing,
    callbacks: Sequence[Callback],
    seed: int,
) -> training.History:
    """Train a network; it ends with the averaged weights of the epoch that validated best.

    Raises:
        training.Interrupted: on Ctrl-C; the network holds the best weights so far.
    """
    output = network.layers.decoder.output
    with torch.no_grad():
        output.bias.copy_(pairs.initial_logits(output.out_features))
    options = TrainingOptions(
        epochs=epochs,
        updates_per_epoch=len(pairs),
        learning_rate=_LEARNING_RATE,
        seconds=seconds,
        betas=_BETAS,
        ema_decay=_EMA_DECAY,
        single_thread=network.layers.encoder.hidden_size * min(len(pairs), 64) < _MIN_THREADED_WORK,
    )

    def set_ratio(progress: float) -> None:
        network.teacher_forcing_ratio = teacher_forcing.ratio(progress)

    def loss(y: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(y, target, label_smoothing=label_smoothing if y.requires_grad else 0.0)

    set_ratio(0.0)
    return train_network(
        network,
        pairs,
        options,
        loss=loss,
        validation=validation,
        on_update=set_ratio,
        callbacks=callbacks,
        seed=seed,
    )
