"""How a generator is trained: truncated backpropagation, one cycle of the learning rate, averaged weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from throughtime import training
from throughtime.tasks.averaging import EmaModel
from throughtime.tasks.schedules import one_cycle
from throughtime.tasks.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor

    from throughtime.data.batches import Batch
    from throughtime.tasks.generation.network import GeneratorNetwork
    from throughtime.tasks.generation.recipes import Recipe

_CLIP = 1.0  # of the gradient's norm
_WARMUP_FRACTION = 0.1  # share of the cycle
_MIN_THREADED_WORK = 4096  # hidden units of all rows, below which threads wait more than they work


@dataclass(frozen=True)
class TrainingData:
    """What is learned from.

    Attributes:
        batches: can be walked once for each epoch.
        updates: of an epoch.
        validation: batches of the same kind, or None.
        loss: in nats per step.
        initial_logits: logits of what is likely at any step.
    """

    batches: Iterable[Batch]
    updates: int
    validation: Iterable[Batch] | None
    loss: Callable[[Tensor, Tensor], Tensor]
    initial_logits: Tensor


def train_network(
    network: GeneratorNetwork,
    training_data: TrainingData,
    recipe: Recipe,
    *,
    epochs: int,
    seconds: float,
    callbacks: Sequence[Callable[[training.Progress], None]],
    seed: int,
) -> training.History:
    """Train a network; it ends with the averaged weights of the epoch that validated best, even if interrupted.

    Raises:
        training.Interrupted: on Ctrl-C.
    """
    network.init_output_bias(training_data.initial_logits)
    model = EmaModel(network, recipe.ema_decay)
    small = recipe.batch_size * recipe.hidden_size < _MIN_THREADED_WORK
    try:
        with one_thread(when=small):
            return training.fit(
                model,
                training_data.batches,
                loss=training_data.loss,
                bptt=training.TruncatedBPTT(recipe.steps, recipe.steps),
                optimizer=model.optimizer(lr=recipe.learning_rate, weight_decay=recipe.weight_decay),
                schedule=one_cycle(epochs * training_data.updates, seconds, warmup_fraction=_WARMUP_FRACTION),
                validation=training_data.validation,
                stop=[training.Epochs(epochs), training.Seconds(seconds)],
                clip=_CLIP,
                callbacks=callbacks,
                seed=seed,
            )
    finally:
        model.load_average()
