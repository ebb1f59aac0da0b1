"""How a generator is trained: truncated backpropagation, one cycle of the learning rate, averaged weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from throughtime import training
from throughtime.tasks.averaging import Averaged
from throughtime.tasks.schedules import one_cycle
from throughtime.tasks.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor

    from throughtime.data.sequences import Batch
    from throughtime.tasks.generation.network import GeneratorNetwork
    from throughtime.tasks.generation.recipes import Recipe

_CLIP = 1.0  # of the gradient's norm
_WARM = 0.1  # share of the cycle
_WORTH_THREADS = 4096  # hidden units of all rows, below which threads wait more than they work


@dataclass(frozen=True)
class Material:
    """What is learned from.

    Attributes:
        batches: can be walked once for each epoch.
        updates: of an epoch.
        validation: batches of the same kind, or None.
        loss: in nats per step.
        expected: logits of what is likely at any step.
    """

    batches: Iterable[Batch]
    updates: int
    validation: Iterable[Batch] | None
    loss: Callable[[Tensor, Tensor], Tensor]
    expected: Tensor


def teach(
    network: GeneratorNetwork,
    material: Material,
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
    network.expect(material.expected)
    model = Averaged(network, recipe.keep)
    small = recipe.batch_size * recipe.hidden_size < _WORTH_THREADS
    try:
        with one_thread(when=small):
            return training.fit(
                model,
                material.batches,
                loss=material.loss,
                bptt=training.TruncatedBPTT(recipe.steps, recipe.steps),
                optimizer=model.optimizer(lr=recipe.learning_rate, weight_decay=recipe.weight_decay),
                schedule=one_cycle(epochs * material.updates, seconds, warm=_WARM),
                validation=material.validation,
                stop=[training.Epochs(epochs), training.Seconds(seconds)],
                clip=_CLIP,
                callbacks=callbacks,
                seed=seed,
            )
    finally:
        model.take_average()
