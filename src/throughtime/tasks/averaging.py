"""Averaged weights: a network that learns, beside the running average of its weights, which is what is used.

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
    from collections.abc import Callable, Iterable

    from torch.optim import Optimizer


class EmaModel(nn.Module):
    """A network while it trains, the average of its weights while it is evaluated.

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
        """Call the one or the other."""
        return (self.network if self.training else self.average)(*inputs, **options)

    def optimizer(self, **options: Any) -> Callable[[Iterable[nn.Parameter]], Optimizer]:
        """AdamW for the network, which carries the average on after each update."""

        def make(_: Iterable[nn.Parameter]) -> Optimizer:
            made = torch.optim.AdamW(self.network.parameters(), **options)
            made.register_step_post_hook(lambda *_: self._update_average())
            return made

        return make

    def load_average(self) -> nn.Module:
        """Give the network the averaged weights, and hand it out for use."""
        self.network.load_state_dict(self.average.state_dict())
        return self.network.eval()

    @torch.no_grad()
    def _update_average(self) -> None:
        self.updates += 1
        ema_decay = min(self._ema_decay, self.updates / (self.updates + 9))
        average, network = tuple(self.average.parameters()), tuple(self.network.parameters())
        get_ema_multi_avg_fn(ema_decay)(average, network, self.updates)
