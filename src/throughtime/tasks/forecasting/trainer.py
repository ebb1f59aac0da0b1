"""Training of the forecasting network: random windows, one cycle of the learning rate, averaged weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from throughtime import training
from throughtime._core.rng import PrivateRandom
from throughtime.tasks.averaging import AveragedWeights
from throughtime.tasks.forecasting.network.likelihoods import LikelihoodLoss
from throughtime.tasks.forecasting.network.losses import ForecastLoss
from throughtime.tasks.forecasting.windows import WindowSampler
from throughtime.tasks.schedules import one_cycle
from throughtime.tasks.threads import one_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from torch import nn
    from torch.optim import Optimizer

    from throughtime.data.batches import Batch
    from throughtime.tasks.forecasting.network.forecast_network import ForecastNetwork
    from throughtime.tasks.forecasting.windows import WindowStore

_EPOCHS = 20  # records of the history
_EMA_DECAY = 0.98
_MIN_THREADED_WORK = 2_000_000  # numbers in the forecasts of a batch, below which threads wait more than they work


@dataclass(frozen=True)
class TrainingConfig:
    """Length and speed of a training.

    Attributes:
        updates: of the weights.
        learning_rate: at the top of the cycle.
        batch_size: windows.
        seconds: after which the cycle ends, however many updates are left.
    """

    updates: int
    learning_rate: float = 3e-3
    batch_size: int = 64
    seconds: float = math.inf


def train_network(
    network: ForecastNetwork,
    store: WindowStore,
    config: TrainingConfig,
    *,
    loss: str,
    held_out: Batch | None,
    callbacks: Sequence[Callable[[training.Progress], None]],
    seed: int,
) -> training.History:
    """Train a network, with the loss of held-out windows in its history; its weights are averaged, even if interrupted.

    Raises:
        training.Interrupted: on Ctrl-C.
    """
    average = AveragedWeights(network, lambda _: _EMA_DECAY)

    def build_optimizer(parameters: Iterable[nn.Parameter]) -> Optimizer:
        optimizer = torch.optim.AdamW(parameters, lr=config.learning_rate, weight_decay=1e-2, fused=True)
        average.follow(optimizer)
        return optimizer

    epochs = min(_EPOCHS, config.updates)
    batches = -(-config.updates // epochs)
    try:
        with one_thread(when=_is_small(network, config)):
            return training.fit(
                network,
                WindowSampler(store, batches=batches, batch_size=config.batch_size),
                loss=training_loss(network, loss),
                optimizer=build_optimizer,
                schedule=one_cycle(epochs * batches, config.seconds),
                stop=[training.Epochs(epochs), training.Seconds(config.seconds)],
                clip=1.0,
                validation=None if held_out is None else [held_out],
                callbacks=callbacks,
                seed=seed,
            )
    finally:
        average.load()
        network.eval()


def training_loss(network: ForecastNetwork, loss: str) -> ForecastLoss | LikelihoodLoss:
    """Return the loss of a network: its likelihood, where it has one, else the loss of that name."""
    return LikelihoodLoss(network.likelihood) if network.likelihood.raw_init else ForecastLoss(loss)


def _is_small(network: ForecastNetwork, config: TrainingConfig) -> bool:
    """Return whether there is too little work for more than one thread."""
    plan = network.plan
    return config.batch_size * plan.blocks * plan.horizon * len(network.expert_names) < _MIN_THREADED_WORK


def init_from_experts(network: ForecastNetwork, store: WindowStore, *, loss: str, seed: int) -> None:
    """Initialise the mixture from the errors of the naive forecasts in the history, and the effects of covariates."""
    with PrivateRandom(seed), torch.no_grad():
        series, ends = next(WindowSampler(store, batches=1, batch_size=256).sample_positions())
        x, y = store.inputs(series, ends), store.targets(series, ends)
        measure = ForecastLoss(loss)
        network.init_mixture(torch.stack([measure.by_step(forecast, y) for forecast in network.naive(x).values()]))
        network.eval()
        network.init_linear_effects(x, *store.future_values(series, ends, network.origins))
        network.train()
