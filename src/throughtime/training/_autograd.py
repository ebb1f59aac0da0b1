"""Updates through autograd: the general path, for any model, loss and optimizer."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from throughtime._core import rng
from throughtime.training._windows import detach_state, run_model

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from throughtime.data.batches import Batch
    from throughtime.training._bptt import BPTT
    from throughtime.training._distributed import DistributedContext
    from throughtime.training._losses import Loss
    from throughtime.training._windows import BPTTWindow


class UpdateResult(NamedTuple):
    """Updates that follow each other: loss, norm of the gradient and targets of each, and the state to go on from.

    The last one was not made where its loss or gradient is no number.
    """

    losses: list[float]
    norms: list[float]
    targets: list[int]
    state: Any

    @property
    def is_finite(self) -> bool:
        """Whether all were made."""
        return math.isfinite(self.losses[-1]) and math.isfinite(self.norms[-1])


class AutogradUpdater:
    """A training whose updates go through autograd."""

    def __init__(
        self,
        model: nn.Module,
        loss: Loss,
        optimizer: Optimizer,
        bptt: BPTT,
        clip: float,
        distributed: DistributedContext,
    ) -> None:
        self._model = model
        self._loss = loss
        self._optimizer = optimizer
        self._bptt = bptt
        self._clip = clip
        self._distributed = distributed
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]

    def update(self, batch: Batch | None, window: BPTTWindow | None, state: Any) -> UpdateResult:
        """Train on one window, together with the other processes, which may have one where there is none here.

        Where its loss or gradient is no number, or it has no targets, the weights stay.
        """
        self._optimizer.zero_grad()
        loss, targets, carried = self._zero_loss(), 0, None
        if batch is not None and window is not None:
            with self._distributed.local_rng():
                loss, targets, carried = self._bptt.backward(self._model, batch, window, state, self._loss)
        loss, targets = self._distributed.average_gradients(self._parameters, loss, targets)
        if targets == 0:  # lengths leave nothing here
            return UpdateResult([0.0], [0.0], [0], carried)
        with rng.skip_interception():
            norm = get_total_norm([p.grad for p in self._parameters if p.grad is not None])
        update = UpdateResult([float(loss.detach())], [float(norm)], [targets], carried)
        if update.is_finite:
            if update.norms[0] > self._clip:
                clip_grads_with_norm_(self._parameters, self._clip, norm)
            with rng.skip_interception() if self._is_torch_optimizer() else nullcontext():
                self._optimizer.step()
        return update

    def _is_torch_optimizer(self) -> bool:
        """Return whether the optimizer's step is torch's own code alone, which draws nothing."""
        optimizer = self._optimizer
        if not type(optimizer).__module__.startswith("torch.optim."):
            return False
        return not (optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks)  # noqa: SLF001

    def _zero_loss(self) -> Tensor:
        return self._parameters[0].new_zeros(())

    def advance_state(self, batch: Batch, state: Any) -> Any:
        """The state behind a batch that nothing is learned from."""
        with torch.no_grad():
            return detach_state(run_model(self._model, batch.x, state, batch.lengths)[1])
