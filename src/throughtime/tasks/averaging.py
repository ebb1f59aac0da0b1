"""Averaged weights: the exponential moving average (EMA) of the weights of a network in training.

Source: Polyak and Juditsky 1992, Acceleration of Stochastic Approximation by Averaging; the exponential average is
that of Tarvainen and Valpola 2017, Mean Teachers are Better Role Models.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.optim import Optimizer


class AveragedWeights:
    """A copy of a network whose weights are the average of those that the network had.

    Args:
        network: is trained.
        decay: share of the average that stays at the n-th update, by n from 1 on.

    Attributes:
        copy: the network with the average.
    """

    def __init__(self, network: nn.Module, decay: Callable[[int], float]) -> None:
        self.copy = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self._network = network
        self._decay = decay
        self._updates = 0

    def follow(self, optimizer: Optimizer) -> None:
        """Update the average after each step of an optimizer of the network."""
        optimizer.register_step_post_hook(lambda *_: self._update())

    def load(self) -> None:
        """Copy the average into the network."""
        self._network.load_state_dict(self.copy.state_dict())

    @torch.no_grad()
    def _update(self) -> None:
        self._updates += 1
        average, network = tuple(self.copy.parameters()), tuple(self._network.parameters())
        get_ema_multi_avg_fn(self._decay(self._updates))(average, network, self._updates)


def rising_decay(limit: float) -> Callable[[int], float]:
    """Return a decay that is less than `limit` in the first updates, so that the initial weights are soon forgotten."""
    return lambda updates: min(limit, updates / (updates + 9))


class ValidatedAverage(nn.Module):
    """The network in training mode, the average of its weights in evaluation mode.

    `training.fit` then validates the average and keeps the weights of its best epoch.

    Args:
        network: is trained.
        weights: its average.
    """

    def __init__(self, network: nn.Module, weights: AveragedWeights) -> None:
        super().__init__()
        self.network = network
        self.average = weights.copy
        self.batch_first = getattr(network, "batch_first", False)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Call the network, or the average."""
        return (self.network if self.training else self.average)(*inputs, **options)
