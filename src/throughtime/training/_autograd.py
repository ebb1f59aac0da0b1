"""Updates through autograd: for any model, loss and optimizer."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from throughtime._core import rng
from throughtime.training._recurrent_state import detach_state
from throughtime.training._updates import UpdateResult
from throughtime.training._windows import run_model

if TYPE_CHECKING:
    from throughtime.data.batches import Batch
    from throughtime.training._updates import UpdateConfig
    from throughtime.training._windows import BPTTWindow


class AutogradUpdater:
    """Makes one update after the other through autograd."""

    def __init__(self, config: UpdateConfig) -> None:
        self._config = config
        self._parameters = [p for group in config.optimizer.param_groups for p in group["params"]]

    def update(self, batch: Batch | None, window: BPTTWindow | None, state: Any) -> UpdateResult:
        """Train on one window, together with the other processes, which may have one where there is none here.

        The weights do not change if the loss or its gradient is not finite, or if there are no targets.
        """
        self._config.optimizer.zero_grad()
        loss, targets, next_state = self._parameters[0].new_zeros(()), 0, None
        if batch is not None and window is not None:
            with self._config.distributed.local_rng():
                loss, targets, next_state = self._config.bptt.backward(
                    self._config.model, batch, window, state, self._config.loss
                )
        loss, targets = self._config.distributed.average_gradients(self._parameters, loss, targets)
        if targets == 0:
            return UpdateResult([0.0], [0.0], [0], next_state)
        with rng.skip_interception():
            norm = get_total_norm([p.grad for p in self._parameters if p.grad is not None])
        result = UpdateResult([float(loss.detach())], [float(norm)], [targets], next_state)
        if result.is_finite:
            if result.norms[0] > self._config.clip:
                clip_grads_with_norm_(self._parameters, self._config.clip, norm)
            with rng.skip_interception() if self._is_torch_optimizer() else nullcontext():
                self._config.optimizer.step()
            if self._config.scheduler is not None:
                self._config.scheduler.step()
        return result

    def _is_torch_optimizer(self) -> bool:
        """Return whether the optimizer's step is torch's own code alone, which draws nothing."""
        optimizer = self._config.optimizer
        if not type(optimizer).__module__.startswith("torch.optim."):
            return False
        return not (optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks)  # noqa: SLF001

    def advance_state(self, batch: Batch, state: Any) -> Any:
        """Return the state after a batch that is not trained on."""
        with torch.no_grad():
            return detach_state(run_model(self._config.model, batch.x, state, batch.lengths)[1])
