"""Updates through autograd: the general path, for any model, loss and optimizer."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from throughtime import _random
from throughtime.training._bptt import CheckpointedBPTT
from throughtime.training._checkpointed import Found, backpropagate
from throughtime.training._unfold import call, detached, judged, time_of, within

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.optim import Optimizer

    from throughtime.data.sequences import Batch
    from throughtime.training._bptt import BPTT, Window
    from throughtime.training._losses import Loss
    from throughtime.training._team import Team


class Updates(NamedTuple):
    """Updates that follow each other: loss, norm of the gradient and targets of each, and the state to go on from.

    The last one was not made where its loss or gradient is no number.
    """

    losses: list[float]
    norms: list[float]
    targets: list[int]
    state: Any

    @property
    def finite(self) -> bool:
        """Whether all were made."""
        return math.isfinite(self.losses[-1]) and math.isfinite(self.norms[-1])


class General:
    """A training whose updates go through autograd."""

    def __init__(self, model: nn.Module, loss: Loss, optimizer: Optimizer, bptt: BPTT, clip: float, team: Team) -> None:
        self._model = model
        self._loss = loss
        self._optimizer = optimizer
        self._bptt = bptt
        self._clip = clip
        self._team = team
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]

    def update(self, batch: Batch | None, window: Window | None, state: Any) -> Updates:
        """Train on one window, together with the other processes, which may have one where there is none here.

        Where its loss or gradient is no number, or it has no targets, the weights stay.
        """
        self._optimizer.zero_grad()
        loss, targets, carried = self._nothing(), 0, None
        if batch is not None and window is not None:
            with self._team.drawing():
                loss, targets, carried = self._backpropagate(batch, window, state)
        loss, targets = self._team.average(self._parameters, loss, targets)
        if targets == 0:  # lengths leave nothing here
            return Updates([0.0], [0.0], [0], carried)
        with _random.without_intercepting():
            norm = get_total_norm([p.grad for p in self._parameters if p.grad is not None])
        update = Updates([float(loss.detach())], [float(norm)], [targets], carried)
        if update.finite:
            if update.norms[0] > self._clip:
                clip_grads_with_norm_(self._parameters, self._clip, norm)
            with _random.without_intercepting() if self._is_plain_optimizer() else nullcontext():
                self._optimizer.step()
        return update

    def _is_plain_optimizer(self) -> bool:
        """Return whether the optimizer's step is torch's own code alone, which draws nothing."""
        optimizer = self._optimizer
        if not type(optimizer).__module__.startswith("torch.optim."):
            return False
        return not (optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks)  # noqa: SLF001

    def _nothing(self) -> Tensor:
        return self._parameters[0].new_zeros(())

    def _backpropagate(self, batch: Batch, window: Window, state: Any) -> Found:
        """The gradients of one window: its loss, how many targets, and the state to go on from."""
        if isinstance(self._bptt, CheckpointedBPTT):
            found = backpropagate(self._model, batch, state, self._loss, self._bptt)
            return found if batch.reset is not None else found._replace(state=None)
        (y, target, count), carried = self._unfold(batch, window, state)
        if not count:
            return Found(self._nothing(), 0, carried)
        loss = self._loss(y, target)
        loss.backward()
        return Found(loss, count, carried)

    def _unfold(self, batch: Batch, window: Window, state: Any) -> tuple[tuple[Tensor, Tensor, int], Any]:
        """What the loss is taken of, and the state to carry on, detached, of the present weights."""
        x, y, lengths, flags = batch
        model, time = self._model, time_of(self._model, batch.x)
        start, stop, first, carry = window
        if stop - start == x.shape[time] and first == start:
            outputs, state = call(model, x, state, lengths)
            return judged(outputs, y, x, lengths, model), detached(state) if flags is not None else None
        pieces, carried = [], state
        for a, b in ((start, carry), (carry, stop)):
            if a < b:
                piece, state = call(model, x.narrow(time, a, b - a), state, within(lengths, a, b))
                pieces.append(piece)
                carried = carried if a == carry else detached(state)
        outputs = pieces[-1] if first >= carry < stop else torch.cat(pieces, time)
        kept = stop - first
        outputs = outputs.narrow(time, outputs.shape[time] - kept, kept)
        part = y.narrow(time, first, kept), x.narrow(time, first, kept), within(lengths, first, stop)
        return judged(outputs, *part, model, along=True), carried

    def run_over(self, batch: Batch, state: Any) -> Any:
        """The state behind a batch that nothing is learned from."""
        with torch.no_grad():
            return detached(call(self._model, batch.x, state, batch.lengths)[1])
