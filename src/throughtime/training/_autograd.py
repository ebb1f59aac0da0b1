"""Updates through autograd: the general path, for any model, loss and optimizer."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from throughtime._core import rng
from throughtime.training._bptt import CheckpointedBPTT
from throughtime.training._recompute import BackwardResult, recompute_backward
from throughtime.training._windows import detach_state, run_model, select_targets, time_dim, window_lengths

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from throughtime.data.batches import Batch
    from throughtime.training._bptt import BPTT, BPTTWindow
    from throughtime.training._distributed import DistributedContext
    from throughtime.training._losses import Loss


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
                loss, targets, carried = self._backward(batch, window, state)
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

    def _backward(self, batch: Batch, window: BPTTWindow, state: Any) -> BackwardResult:
        """The gradients of one window: its loss, how many targets, and the state to go on from."""
        if isinstance(self._bptt, CheckpointedBPTT):
            found = recompute_backward(self._model, batch, state, self._loss, self._bptt)
            return found if batch.reset is not None else found._replace(state=None)
        (y, target, count), carried = self._run_window(batch, window, state)
        if not count:
            return BackwardResult(self._zero_loss(), 0, carried)
        loss = self._loss(y, target)
        loss.backward()
        return BackwardResult(loss, count, carried)

    def _run_window(self, batch: Batch, window: BPTTWindow, state: Any) -> tuple[tuple[Tensor, Tensor, int], Any]:
        """What the loss is taken of, and the state to carry on, detached, of the present weights."""
        x, y, lengths, flags = batch
        model, time = self._model, time_dim(self._model, batch.x)
        start, stop, first, next_start = window
        if stop - start == x.shape[time] and first == start:
            outputs, state = run_model(model, x, state, lengths)
            return select_targets(outputs, y, x, lengths, model), detach_state(state) if flags is not None else None
        pieces, carried = [], state
        for a, b in ((start, next_start), (next_start, stop)):
            if a < b:
                piece, state = run_model(model, x.narrow(time, a, b - a), state, window_lengths(lengths, a, b))
                pieces.append(piece)
                carried = carried if a == next_start else detach_state(state)
        outputs = pieces[-1] if first >= next_start < stop else torch.cat(pieces, time)
        kept = stop - first
        outputs = outputs.narrow(time, outputs.shape[time] - kept, kept)
        part = y.narrow(time, first, kept), x.narrow(time, first, kept), window_lengths(lengths, first, stop)
        return select_targets(outputs, *part, model, per_step=True), carried

    def advance_state(self, batch: Batch, state: Any) -> Any:
        """The state behind a batch that nothing is learned from."""
        with torch.no_grad():
            return detach_state(run_model(self._model, batch.x, state, batch.lengths)[1])
