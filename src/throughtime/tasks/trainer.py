"""How networks for sequences are trained: one cycle of the learning rate, and weights chosen by held-out sequences."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from throughtime import training
from throughtime._core.errors import InputError
from throughtime.tasks.schedules import one_cycle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import Tensor, nn
    from torch.optim import Optimizer

    from throughtime.data.jagged import BucketBatches

    Callback = Callable[[training.Progress], None]

_WARMUP_FRACTION = 0.15  # share of the cycle in which the learning rate rises
_PATIENCE = 4  # epochs without a lower loss on the held-out sequences; in a short training at least


@dataclass(frozen=True)
class TrainingBudget:
    """How much is put into learning.

    Attributes:
        updates: of the weights, as far as that takes no fewer and no more epochs than said below.
        min_epochs: epochs.
        max_epochs: epochs.
    """

    updates: int
    min_epochs: int
    max_epochs: int

    def epochs(self, batches: int) -> int:
        """Passes over data of so many batches."""
        return min(max(-(-self.updates // batches), self.min_epochs), self.max_epochs)


def preset(presets: dict[str, TrainingBudget], name: str) -> TrainingBudget:
    """The work of a preset.

    Raises:
        InputError: for a name that there is not.
    """
    if name not in presets:
        raise InputError(f"preset: expected one of {', '.join(presets)}, got {name!r}")
    return presets[name]


def train_network(
    network: nn.Module,
    data: BucketBatches,
    *,
    loss: str | Callable[[Tensor, Tensor], Tensor],
    epochs: int,
    learning_rate: float,
    held_out: BucketBatches | None = None,
    weight_decay: float = 1e-2,
    seconds: float = math.inf,
    callbacks: Sequence[Callback] = (),
    seed: int = 0,
) -> training.History:
    """Train a network; it ends with the weights of the epoch with the lowest loss on the held-out sequences.

    Raises:
        training.Interrupted: on Ctrl-C; the network holds the best weights so far.
    """

    def optimizer(parameters: Iterable[nn.Parameter]) -> Optimizer:
        return torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=weight_decay)

    stop: list[training.Epochs | training.Seconds | training.Patience] = [
        training.Epochs(epochs),
        training.Seconds(seconds),
    ]
    if held_out is not None:
        stop.append(training.Patience(max(_PATIENCE, epochs // 3)))
    try:
        return training.fit(
            network,
            data,
            loss=loss,
            optimizer=optimizer,
            schedule=one_cycle(epochs * len(data), seconds, warmup_fraction=_WARMUP_FRACTION),
            stop=stop,
            clip=1.0,
            validation=held_out,
            callbacks=callbacks,
            seed=seed,
        )
    finally:
        network.eval()
