"""Averaged weights: a network in training together with the exponential moving average (EMA) of its weights.

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
    from torch.optim import Optimizer


class EmaModel(nn.Module):
    """The network in training mode, the average of its weights in evaluation mode.

    `training.fit` then validates the average and keeps the weights of its best epoch.

    Args:
        network: is trained.
        ema_decay: share of the average that stays at each update; less in the first updates.
    """

    def __init__(self, network: nn.Module, ema_decay: float) -> None:
        super().__init__()
        self.network = network
        self.average = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self.batch_first = getattr(network, "batch_first", False)
        self._ema_decay = ema_decay
        self.updates = 0

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """Call the network, or the average."""
        return (self.network if self.training else self.average)(*inputs, **options)

    def follow(self, optimizer: Optimizer) -> None:
        """Update the average after each step of an optimizer of the network."""
        optimizer.register_step_post_hook(lambda *_: self._update_average())

    def load_average(self) -> None:
        """Copy the average into the network."""
        self.network.load_state_dict(self.average.state_dict())

    @torch.no_grad()
    def _update_average(self) -> None:
        self.updates += 1
        decay = min(self._ema_decay, self.updates / (self.updates + 9))
        average, network = tuple(self.average.parameters()), tuple(self.network.parameters())
        get_ema_multi_avg_fn(decay)(average, network, self.updates)
