"""Training of a generator: truncated backpropagation, one cycle of the learning rate, averaged weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from throughtime import training
from throughtime.tasks.trainer import TrainingOptions, train_network

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor

    from throughtime.data.batches import Batch
    from throughtime.tasks.generation.network import GeneratorNetwork
    from throughtime.tasks.generation.recipes import Recipe
    from throughtime.tasks.trainer import Callback

_MIN_THREADED_WORK = 4096  # hidden units of all rows, below which threads wait more than they work


@dataclass(frozen=True)
class TrainingData:
    """Batches of a training, and what depends on their kind.

    Attributes:
        batches: are read once for each epoch.
        updates: of an epoch.
        validation: batches of the same kind, or None.
        loss: in nats per step.
        initial_logits: logits of the frequencies of the symbols, which the output starts from.
    """

    batches: Iterable[Batch]
    updates: int
    validation: Iterable[Batch] | None
    loss: Callable[[Tensor, Tensor], Tensor]
    initial_logits: Tensor


def train_generator(
    network: GeneratorNetwork,
    data: TrainingData,
    recipe: Recipe,
    *,
    epochs: int,
    seconds: float,
    callbacks: Sequence[Callback],
    seed: int,
) -> training.History:
    """Train a network; it ends with the averaged weights of the epoch that validated best.

    Raises:
        training.Interrupted: on Ctrl-C; the network holds the best weights so far.
    """
    network.init_output_bias(data.initial_logits)
    options = TrainingOptions(
        epochs=epochs,
        updates_per_epoch=data.updates,
        learning_rate=recipe.learning_rate,
        seconds=seconds,
        weight_decay=recipe.weight_decay,
        ema_decay=recipe.ema_decay,
        single_thread=recipe.batch_size * recipe.hidden_size < _MIN_THREADED_WORK,
    )
    return train_network(
        network,
        data.batches,
        options,
        loss=data.loss,
        validation=data.validation,
        bptt=training.TruncatedBPTT(recipe.steps, recipe.steps),
        callbacks=callbacks,
        seed=seed,
    )
