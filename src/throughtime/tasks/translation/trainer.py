"""How a translator is trained: pairs of similar length, label smoothing, averaged weights, fading teacher forcing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from throughtime import training
from throughtime.data.batches import Batch, bucket_by_length
from throughtime.data.text.subwords import BEGIN, END, PAD
from throughtime.tasks.averaging import EmaModel
from throughtime.tasks.schedules import one_cycle
from throughtime.tasks.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from throughtime.tasks.translation.network import TranslatorNetwork

_EMA_DECAY = 0.998  # of the averaged weights at each update
_CLIP = 1.0  # of the gradient's norm
_WARMUP_FRACTION = 0.1  # share of the cycle
_WEIGHT_DECAY = 0.01
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
    """A batch (2, S, N), and the real symbols of its targets in the order in which the network gives them."""
    inputs = [[BEGIN, *target] for target in targets]
    steps = max(map(len, [*sources, *inputs]))
    x = torch.stack([pad_rows(sources, steps), pad_rows(inputs, steps)])
    y = pad_rows([[*target, END] for target in targets], steps)
    return Batch(x, y[y != PAD])


def pad_rows(rows: Sequence[list[int]], steps: int) -> Tensor:
    """Rows of numbers as (steps, N)."""
    return torch.tensor([row + [PAD] * (steps - len(row)) for row in rows]).T.contiguous()


@dataclass(frozen=True)
class TeacherForcing:
    """How often the decoder reads the true symbol before, rather than its own guess, in training.

    Attributes:
        start: share at the beginning of the training.
        end: share at its end; it changes evenly.
    """

    start: float = 1.0
    end: float = 1.0

    def ratio(self, done: float) -> float:
        """The share when so much of the training is done."""
        return self.start + (self.end - self.start) * min(done, 1.0)


def train_network(
    network: TranslatorNetwork,
    pairs: PairBatches,
    validation: PairBatches | None,
    *,
    epochs: int,
    seconds: float,
    learning_rate: float,
    label_smoothing: float,
    teacher_forcing: TeacherForcing,
    callbacks: Sequence[Callable[[training.Progress], None]],
    seed: int,
) -> training.History:
    """Train a network; it ends with the averaged weights of the epoch that validated best, even if interrupted.

    Raises:
        training.Interrupted: on Ctrl-C.
    """
    output = network.layers.decoder.output
    with torch.no_grad():
        output.bias.copy_(pairs.initial_logits(output.out_features))
    model = EmaModel(network, _EMA_DECAY)
    updates = epochs * len(pairs)

    def optimizer(parameters: Iterable[nn.Parameter]) -> Optimizer:
        made = model.optimizer(lr=learning_rate, weight_decay=_WEIGHT_DECAY, betas=(0.9, 0.98))(parameters)
        made.register_step_post_hook(lambda *_: fade())
        return made

    def fade() -> None:
        network.teacher_forcing_ratio = teacher_forcing.ratio(model.updates / updates)

    def loss(y: Tensor, target: Tensor) -> Tensor:
        return functional.cross_entropy(y, target, label_smoothing=label_smoothing if y.requires_grad else 0.0)

    network.teacher_forcing_ratio = teacher_forcing.start
    hidden = network.layers.encoder.hidden_size
    try:
        with one_thread(when=hidden * min(len(pairs), 64) < _MIN_THREADED_WORK):
            return training.fit(
                model,
                pairs,
                loss=loss,
                optimizer=optimizer,
                schedule=one_cycle(updates, seconds, warmup_fraction=_WARMUP_FRACTION),
                validation=validation,
                stop=[training.Epochs(epochs), training.Seconds(seconds)],
                clip=_CLIP,
                callbacks=callbacks,
                seed=seed,
            )
    finally:
        model.load_average()
