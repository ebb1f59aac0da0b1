"""Backpropagation in segments that are run twice: the states at their borders are all that is kept in between.

A segment's part of the loss is taken as the segment is run for the second time, weighed by its share of the targets. A
loss that is not known to be a mean may tie any output to any other: then the first run gathers all outputs, the loss
is taken of them at once, and each segment is handed its part of ∂L/∂y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.autograd.graph import saved_tensors_hooks

from throughtime import _random
from throughtime.nn.pooling import Pooling
from throughtime.training._losses import IGNORED, is_mean
from throughtime.training._unfold import (
    call,
    changed,
    check_one_direction,
    detached,
    judged,
    leading,
    runs_along,
    tensors_of,
    time_of,
    within,
)

if TYPE_CHECKING:
    from torch import Tensor, nn

    from throughtime.data.sequences import Batch
    from throughtime.training._bptt import CheckpointedBPTT
    from throughtime.training._losses import Loss

_MEASURED = 4  # steps that are run to see what a step keeps


class Found(NamedTuple):
    """What a backward pass leaves beside the gradients: the loss, how many targets, and the final state."""

    loss: Tensor
    targets: int
    state: Any


def backpropagate(model: nn.Module, batch: Batch, state: Any, loss: Loss, bptt: CheckpointedBPTT) -> Found:
    """Add the gradients of the loss of a batch to those of the model's parameters.

    Raises:
        ValueError: if the model cannot be cut in time, or does not fit the memory.
    """
    return _Sweep(model, batch, loss, _segment(model, batch, bptt)).run(state)


class _Sweep:
    """Forward over all segments, and backward again."""

    def __init__(self, model: nn.Module, batch: Batch, loss: Loss, segment: int) -> None:
        self.model = model
        self.batch = batch
        self.loss = loss
        self.time = time_of(model, batch.x)
        self.steps = batch.x.shape[self.time]
        self.starts = range(0, self.steps, segment)
        self.segment = segment
        self.total = batch.x.new_zeros(())  # the loss
        self.targets = 0
        self.borders: list[Any] = []
        self.random: list[dict[torch.device, Tensor]] = []
        self.outputs: list[Tensor] = []
        self.dy: Tensor | None = None
        self.per_step = False
        # Targets that are ignored lie in some segments and not in others.
        self.in_parts = is_mean(loss) and (batch.y.is_floating_point() or not bool((batch.y == IGNORED).any()))

    def run(self, state: Any) -> Found:
        final = self._forward(state)
        if self.outputs:
            self._whole_loss()
        dstate: tuple[Tensor | None, ...] = ()
        for number in reversed(range(len(self.starts))):
            dstate, last = self._backward(number, dstate)
            final = last if number == len(self.starts) - 1 else final
        return Found(self.total, self.targets, final)

    def _forward(self, state: Any) -> Any:
        """Note the state before each segment. The last one is run only where its outputs are wanted already."""
        with torch.no_grad():
            for number, start in enumerate(self.starts):
                self.borders.append(detached(state))
                self.random.append(_random.states(self.batch.x.device))
                if start == self.starts[-1] and not self.outputs:
                    break
                y, state = self._piece(start, state)
                if number == 0:
                    self.per_step = self._has_steps(y, self._inputs(start))
                if self.per_step and not self.in_parts:
                    self.outputs.append(y)
        return state

    def _backward(self, number: int, dstate: tuple[Tensor | None, ...]) -> tuple[tuple[Tensor | None, ...], Any]:
        """One segment, given the gradient of the state behind it: that of the state before it, and its state."""
        start = self.starts[number]
        before = _leaf(self.borders.pop())
        with _random.replay(self.random.pop()):
            y, state = self._piece(start, before)
        roots = [(s, d) for s, d in zip(tensors_of(state), dstate, strict=False) if d is not None]
        objective = self._objective(start, y)
        if objective is not None:
            roots.append(objective)
        roots = [(root, d) for root, d in roots if root.requires_grad]
        if roots:
            outputs, gradients = zip(*roots, strict=True)
            torch.autograd.backward(outputs, gradients)
        return tuple(s.grad for s in tensors_of(before)), detached(state)

    def _objective(self, start: int, y: Tensor) -> tuple[Tensor, Tensor] | None:
        """What is differentiated in a segment, and the gradient that it starts from."""
        if self.dy is not None:
            return y, self.dy.narrow(self.time, start, y.shape[self.time])
        target, lengths, share = self.batch.y, self.batch.lengths, 1.0
        if self.per_step:
            stop = self._stop(start)
            target = target.narrow(self.time, start, stop - start)
            share = (stop - start) / self.steps
            if lengths is not None and len(leading(self.batch.x)) == 2:
                whole, lengths = int(lengths.sum()), (lengths - start).clamp(0, stop - start)
                share = int(lengths.sum()) / max(whole, 1)
        elif start != self.starts[-1]:
            return None
        y, target, count = judged(y, target, self._inputs(start), lengths, self.model, along=self.per_step)
        if not count:
            return None
        loss = self.loss(y, target)
        self.total = self.total + share * loss.detach()
        self.targets += count
        return loss, torch.full_like(loss, share)

    def _whole_loss(self) -> None:
        """The loss of all outputs, and its gradient with respect to them."""
        y = torch.cat(self.outputs, self.time).requires_grad_()
        self.outputs = [y.detach()]
        outputs, target, self.targets = judged(
            y, self.batch.y, self.batch.x, self.batch.lengths, self.model, along=self.per_step
        )
        self.dy = torch.zeros_like(y)
        if self.targets:
            loss = self.loss(outputs, target)
            (self.dy,) = torch.autograd.grad(loss, y)
            self.total = loss.detach()

    def _piece(self, start: int, state: Any) -> tuple[Tensor, Any]:
        y, state = call(self.model, self._inputs(start), state, within(self.batch.lengths, start, self._stop(start)))
        if state is None:
            raise ValueError(
                f"model: expected (y, state) from {type(self.model).__name__}, got no state to cut at; use FullBPTT()"
            )
        return y, state

    def _inputs(self, start: int) -> Tensor:
        return self.batch.x.narrow(self.time, start, self._stop(start) - start)

    def _stop(self, start: int) -> int:
        return min(start + self.segment, self.steps)

    def _has_steps(self, y: Tensor, x: Tensor) -> bool:
        """Whether there are an output and a target for each step, rather than one for each sequence."""
        whole = leading(self.batch.x)
        return self.batch.y.shape[: len(whole)] == whole and runs_along(y, x, self.model, whole=self.batch.x)


def _segment(model: nn.Module, batch: Batch, bptt: CheckpointedBPTT) -> int:
    """Steps of a segment; what a step keeps is seen where a budget asks for it."""
    check_one_direction(model, "CheckpointedBPTT")
    if any(isinstance(module, Pooling) and module.kind != "final" for module in model.modules()):
        raise ValueError("CheckpointedBPTT: expected no pooling over all steps, which no state carries; use FullBPTT()")
    steps = batch.x.shape[time_of(model, batch.x)]
    if bptt.memory is None:
        return bptt.segment(steps, 0, 0)
    some, more, border, outputs = 0, 0, 0, 0
    if steps > 2 * _MEASURED:
        some, *_ = _kept(model, batch, _MEASURED)
        more, border, outputs = _kept(model, batch, 2 * _MEASURED)
    # What is kept, its gradients, and what the kernels hold on to from one segment to the next, up to 0.75 of it; and
    # the outputs on their way through the loss and back.
    step = 3 * (more - some) // _MEASURED + 4 * outputs // _MEASURED
    return bptt.segment(steps, max(step, 1), border)


def _kept(model: nn.Module, batch: Batch, steps: int) -> tuple[int, int, int]:
    """Bytes that the first steps of a batch keep for the backward pass, and those of their state and outputs."""
    seen: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    x = batch.x.narrow(time_of(model, batch.x), 0, steps)
    x = x.clone(memory_format=torch.contiguous_format)
    with (
        torch.enable_grad(),
        _random.replay(_random.states(x.device)),
        saved_tensors_hooks(note, lambda tensor: tensor),
    ):
        y, state = call(model, x, None, within(batch.lengths, 0, steps))
    return sum(seen.values()), sum(s.nbytes for s in tensors_of(state)), y.nbytes


def _leaf(state: Any) -> Any:
    """A state whose gradient is wanted."""
    return changed(state, lambda s: s.detach().requires_grad_())
